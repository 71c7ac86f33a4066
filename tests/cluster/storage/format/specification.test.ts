import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import crc32 from "crc-32";
import { dumpLog, verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import { systemClock } from "../../../../src/common/clock.ts";
import { dbfile, deleting, epochRecord, openOn, plain, put, putting } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

const page = readFileSync(new URL("../../../../docs/log-format.md", import.meta.url), "utf8");

/** The examples of the page: a log as it was written, and the same one compacted. */
const [written = "", compacted = ""] = [...page.matchAll(/```log\n([\s\S]*?)```/g)].map(([, text]) => text);

/** What the page lists as refused: how it is told. */
const refused = [...page.matchAll(/^(\d+)\. .*`([^`]+)`$/gm)].map(([, number, reason = ""]) => ({
  number: Number(number),
  reason,
}));

const records = [
  epochRecord(1, 1),
  put(1, 2, "greeting", "hello"),
  {
    epoch: 1,
    seq: 3,
    changes: [
      {
        ...putting("session", "", { expiresMs: 1_800_000_000_000 }),
        value: Buffer.from([0, 255]),
        text: false,
      },
    ],
    requestId: "3fJx-0",
  },
  {
    epoch: 1,
    seq: 4,
    changes: [putting("greeting", "hello, world", { previous: 2 }), putting("name", "kvlab")],
    requestId: "3fJx-1",
  },
  epochRecord(2, 5),
  { epoch: 2, seq: 6, changes: [deleting("name", { previous: 4 })] },
  { epoch: 2, seq: 7, changes: [deleting("session", { kind: "expire" as const, previous: 3 })] },
];

/** Writes the log of the page, and the same compacted. */
async function writeExamples(): Promise<{ written: string; compacted: string }> {
  const disk = new SimulatedDisk();
  const store = await openOn(disk, { clock: { ...systemClock, random: () => 0.5 } });
  await store.adopt({ cluster: "6f1c2a9e", group: "zdata1", number: 1 });
  await store.beginLife("42");
  await store.promise(1);
  await store.append(records.slice(0, 1));
  await store.append(records.slice(1, 4));
  await store.promise(2);
  for (const record of records.slice(4)) await store.append([record]);
  const text = () => disk.contents(dbfile)?.toString("latin1") ?? "";
  const before = text();
  store.commit(7);
  await store.compact();
  await store.close();
  return { written: before, compacted: text() };
}

describe("the log of the page", () => {
  it("is what the writer writes", async () => {
    assert.deepEqual(await writeExamples(), { written, compacted });
  });

  it("says to the reader what was written", async () => {
    const disk = new SimulatedDisk();
    disk.place(dbfile, Buffer.from(written, "latin1"));
    const { condition, identity, records: count, liveKeys, epochs } = await verifyLog(disk, dbfile);
    assert.deepEqual(
      { condition, identity, count, liveKeys, epochs },
      {
        condition: { kind: "intact" },
        identity: { cluster: "6f1c2a9e", group: "zdata1", number: 1, storeId: "8000000080000000" },
        count: records.length,
        liveKeys: 1,
        epochs: [
          { epoch: 1, firstSeq: 1 },
          { epoch: 2, firstSeq: 5 },
        ],
      },
    );
    const store = await openOn(disk);
    assert.deepEqual(plain(await store.read(0, 1e6)), plain(records));
    await store.close();
  });

  it("says the same of what is left when it is compacted", async () => {
    const disk = new SimulatedDisk();
    disk.place(dbfile, Buffer.from(compacted, "latin1"));
    const left: string[] = [];
    for await (const { seq, key, value, requestId = "" } of dumpLog(disk, dbfile)) {
      left.push(`${seq} ${key} ${Buffer.from(value ?? "", "base64")} ${requestId}`.trim());
    }
    assert.deepEqual(left, ["3   3fJx-0", "4 greeting hello, world 3fJx-1"]);
  });
});

/** The body of a line or entry with its checksum. */
function line(body: string): string {
  return `${body} ${checksum(body)}\n`;
}

function record(key: string, value: string, commit: string, options = ""): string {
  const body = `${key}\n${value}\n${commit}`;
  return `${body} ${checksum(body + options)}${options}\n`;
}

function checksum(text: string): string {
  return (crc32.str(text) >>> 0).toString(16).padStart(8, "0");
}

const header = line("!kvlab 1");
const snapshotHeader = line("!kvlab 1 snapshot=1");
const first = record("YQ==", "MQ==", "# 1.1");
const second = record("YQ==", "MQ==", "# 1.2");
const base = (text: string) => line(`!base ${text} epochs=1:1 promised=1`);

/** A file for each number of the page's list. */
const refusedFiles: readonly string[] = [
  "Dear diary,\n",
  `\xef\xbb\xbf${first}`,
  line("!kvlab 2"),
  line("!kvlab 1 colour=blue"),
  header + line("!seal 7"),
  record("YQ==", "MQ==", "# 1.1", " ttl=7"),
  `${record("YQ=!", "MQ==", "# 1.1")}${second}`,
  `${record("YQ==", "M", "# 1.1")}${second}`,
  `${record("/w==", "MQ==", "# 1.1")}${second}`,
  `YQ==\nMQ==\nMQ==\n${second}`,
  `${first}YQ==\nMQ==\n#\n${second}`,
  `${first}${record("YQ==", "MQ==", "# 1.2").replace("MQ", "Mg")}${record("YQ==", "MQ==", "# 1.3")}`,
  `${header}${line("!promise 1").replace("1", "2")}${first}`,
  `${record("YQ==", "MQ==", "# 1.01")}${second}`,
  `${record("YQ==", "-", "# 1.1", " text=1")}${second}`,
  `${record("YQ==", "MQ==", "+ 1.1")}${second}`,
  `${record("YQ==", "MQ==", "+ 1.1")}${record("Yg==", "MQ==", "# 1.1", " batch=3")}${second}`,
  first + second + first,
  first + record("YQ==", "MQ==", "# 1.4"),
  record("YQ==", "MQ==", "# 2.1") + second,
  header + first + header,
  snapshotHeader + line("!promise 1") + base("1.1 records=0"),
  snapshotHeader + line("!life 1") + base("1.1 records=0"),
  header + base("1.1 records=0"),
  snapshotHeader + first + base("1.1 records=2"),
  snapshotHeader + second + base("1.1 records=1"),
  snapshotHeader + first,
];

describe("a reader refuses what the page lists:", () => {
  it("each number has a file here", () => {
    assert.deepEqual(
      refused.map(({ number }) => number),
      refusedFiles.map((_, index) => index + 1),
    );
  });

  for (const [index, text] of refusedFiles.entries()) {
    const { reason = "" } = refused[index] ?? {};
    it(`${index + 1}. ${reason}`, async () => {
      const disk = new SimulatedDisk();
      disk.place(dbfile, Buffer.from(text, "latin1"));
      const told = await verifyLog(disk, dbfile).then(
        ({ condition }) => (condition.kind === "damaged" ? condition.reason : condition.kind),
        (error: Error) => error.message,
      );
      assert.ok(told.includes(reason), told);
    });
  }
});
