import assert from "node:assert/strict";
import { describe, it } from "node:test";
import crc32 from "crc-32";
import {
  contentsOf,
  dbfile,
  deletion,
  epochRecord,
  openOn,
  put,
  putting,
} from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

/** A record as the format says: CRC-32 of all of it but the checksum and the space before. */
function record(key: string, value: string, commit: string, options = ""): string {
  const covered = `${key}\n${value}\n# ${commit}${options}`;
  const checksum = (crc32.str(covered) >>> 0).toString(16).padStart(8, "0");
  return `${key}\n${value}\n# ${commit} ${checksum}${options}\n`;
}

async function openText(text: string) {
  const disk = new SimulatedDisk();
  disk.place(dbfile, Buffer.from(text, "latin1"));
  return await openOn(disk);
}

async function conditionOf(text: string): Promise<string> {
  const store = await openText(text);
  const { condition } = store;
  await store.close();
  return condition.kind === "damaged" ? `${condition.line}: ${condition.reason}` : condition.kind;
}

const good = record("YQ==", "MQ==", "1.2");

describe("a record", () => {
  it("is written as the format says", async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append([
      put(1, 1, "a", "1"),
      { epoch: 1, seq: 2, changes: [putting("ü", "", { text: false })] },
      deletion(1, 3, "a"),
      epochRecord(2, 4),
    ]);
    await store.close();
    assert.equal(
      disk.contents(dbfile)?.toString("latin1"),
      record("YQ==", "MQ==", "1.1", " text=1") +
        record("w7w=", "", "1.2", " back=32") +
        record("YQ==", "-", "1.3", " back=61") +
        record("", "-", "2.4", " kind=epoch back=91"),
    );
  });

  const flaws: [string, string, string][] = [
    ["a key that is not base64", record("YQ=!", "MQ==", "1.1"), "its key is not base64"],
    ["a key without padding", record("YQ", "MQ==", "1.1"), "its key is not base64"],
    ["a key with bits that encode nothing", record("YR==", "MQ==", "1.1"), "its key is not base64"],
    ["a key in the alphabet of URLs", record("_-8=", "MQ==", "1.1"), "its key is not base64"],
    ["a value that is not base64", record("YQ==", "MQ=", "1.1"), "its value is not base64"],
    ["a key that is not UTF-8", record("/w==", "MQ==", "1.1"), "its key is not UTF-8"],
    ["the key of half a surrogate pair", record("7aCA", "MQ==", "1.1"), "its key is not UTF-8"],
    ["a wrong checksum", "YQ==\nMQ==\n# 1.1 00000000\n", "its checksum does not match"],
    ["no checksum behind a header", `${headerless()}YQ==\nMQ==\n#\n`, "its commit line has no checksum"],
    ["numbers written in another way", record("YQ==", "MQ==", "1.01"), "its commit line is malformed"],
    [
      "a number beyond what is exact",
      record("YQ==", "MQ==", "1.9007199254740993"),
      "its commit line is malformed",
    ],
    ["a deletion of text", record("YQ==", "-", "1.1", " text=1"), "its options do not fit its key and value"],
    ["CRLF line ends", "YQ==\r\nMQ==\r\n# 1.1 00000000\r\n", "its key is not base64"],
  ];
  for (const [name, text, reason] of flaws) {
    it(`with ${name} is damage`, async () => {
      assert.match(await conditionOf(text + good), new RegExp(`^\\d+: ${reason}$`));
    });
  }

  it("with an option that is unknown is a later version's, and no damage", async () => {
    await assert.rejects(
      openText(record("YQ==", "MQ==", "1.1", " ttl=7")),
      /line 1: record option ttl=7: a later version of this program has written it; use that version/,
    );
  });

  it("keeps a replacement character that is really there", async () => {
    const store = await openText(record("77+9", "MQ==", "1.1"));
    assert.deepEqual([...(await contentsOf(store)).keys()], ["\ufffd"]);
    await store.close();
  });
});

describe("a file of the original's form", () => {
  const text = "YQ==\nMQ==\n#\n\n\n#\nYg==\n\n#\n";

  it("has every record before the cut when it is cut at any byte", async () => {
    for (let length = 0; length <= text.length; length++) {
      const cut = text.slice(0, length);
      if (length > 0 && length < text.indexOf("#\n") + 2) {
        await assert.rejects(openText(cut), /is no log/);
        continue;
      }
      const store = await openText(cut);
      assert.equal(store.last.seq, cut.split("\n#\n").length - 1, JSON.stringify(cut));
      assert.notEqual(store.condition.kind, "damaged");
      await store.close();
    }
  });

  it("with a deletion, or with a checksum that is missing in the middle of ours, is damaged", async () => {
    assert.equal(await conditionOf(`YQ==\n-\n#\n${text}`), "1: its value is not base64");
    assert.equal(await conditionOf(`${good.replace("1.2", "1.2")}${text}`), "1: records 1 to 1 are missing");
  });
});

/** The header of a log that no node has adopted. */
function headerless(): string {
  const body = "!kvlab 1";
  return `${body} ${(crc32.str(body) >>> 0).toString(16).padStart(8, "0")}\n`;
}
