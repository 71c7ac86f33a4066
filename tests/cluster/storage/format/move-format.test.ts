import assert from "node:assert/strict";
import { describe, it } from "node:test";
import crc32 from "crc-32";
import type { LogRecord, MoveMark } from "../../../../src/cluster/storage/model.ts";
import { dumpLog, verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import { dbfile, deleting, openOn, plain, put, putting } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

/** An entry as the format says: CRC-32 of all of it but the checksum and the space before. */
function entry(key: string, value: string, commit: string, options = ""): string {
  return `${key}\n${value}\n${commit} ${checksum(`${key}\n${value}\n${commit}${options}`)}${options}\n`;
}

function line(body: string): string {
  return `${body} ${checksum(body)}\n`;
}

function checksum(text: string): string {
  return (crc32.str(text) >>> 0).toString(16).padStart(8, "0");
}

function diskWith(text: string): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.place(dbfile, Buffer.from(text, "latin1"));
  return disk;
}

/** A name with all that has a meaning of its own in a line. */
const group = "zdätä 1,2:3=4";
const named = encodeURIComponent(group);

const accept: MoveMark = {
  kind: "accept",
  change: 12,
  from: group,
  revision: 900,
  ahead: 1000,
  requestsAfter: 7,
};

const cases: readonly { record: LogRecord; text: string }[] = [
  {
    record: {
      epoch: 1,
      seq: 1,
      changes: [putting("a", "1", { expiresMs: 5 }), deleting("b", { previous: 1 })],
      requestId: "r",
      move: { kind: "copy", revision: 77 },
    },
    text:
      entry("YQ==", "MQ==", "+ 1.1", " text=1 expires=5") +
      entry("Yg==", "-", "# 1.1", " prev=1 id=r copy=77 batch=2"),
  },
  {
    record: {
      epoch: 1,
      seq: 2,
      changes: [deleting("a", { kind: "expire" })],
      move: { kind: "copy", revision: 78 },
    },
    text: entry("YQ==", "-", "# 1.2", " kind=expire copy=78"),
  },
  {
    record: { epoch: 1, seq: 3, changes: [], requestId: "q", move: { kind: "copy", revision: 79 } },
    text: entry("", "-", "# 1.3", " kind=done id=q copy=79"),
  },
  {
    record: { epoch: 1, seq: 4, changes: [deleting("a"), deleting("b")], move: { kind: "forget" } },
    text: entry("YQ==", "-", "+ 1.4") + entry("Yg==", "-", "# 1.4", " forget=1 batch=2"),
  },
  {
    record: { epoch: 1, seq: 5, changes: [], move: { kind: "release", change: 12, to: group } },
    text: entry("", "-", "# 1.5", ` kind=release change=12 group=${named}`),
  },
  {
    record: { epoch: 1, seq: 6, changes: [], move: accept },
    text: entry("", "-", "# 1.6", ` kind=accept change=12 group=${named} rev=900 ahead=1000 requests=7`),
  },
];

const records = cases.map(({ record }) => record);
const text = cases.map((each) => each.text).join("");

describe("a record of a move", () => {
  it("is written as the format says, and read as it was written", async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    for (const record of records) await store.append([record]);
    await store.close();
    assert.equal(disk.contents(dbfile)?.toString("latin1"), text);
    const again = await openOn(disk);
    assert.deepEqual(again.condition, { kind: "intact" });
    assert.deepEqual(plain(await again.read(0, 1e6)), plain(records));
    await again.close();
  });

  it("is told by the tools", async () => {
    const disk = diskWith(text);
    const dumped: unknown[] = [];
    for await (const { seq, kind, move } of dumpLog(disk, dbfile)) dumped.push([seq, kind, move]);
    assert.deepEqual(dumped, [
      [1, "put", { kind: "copy", revision: 77 }],
      [1, "delete", { kind: "copy", revision: 77 }],
      [2, "expire", { kind: "copy", revision: 78 }],
      [3, "done", { kind: "copy", revision: 79 }],
      [4, "delete", { kind: "forget" }],
      [4, "delete", { kind: "forget" }],
      [5, "release", { kind: "release", change: 12, to: group }],
      [6, "accept", accept],
    ]);
    const { lastRevision, moves } = await verifyLog(disk, dbfile);
    assert.deepEqual(
      [lastRevision, moves],
      [1006, { change: 12, released: [group], accepted: [{ from: group, revision: 900 }] }],
    );
  });

  it("that was not written to its end is cut off", async () => {
    let before = line("!kvlab 1");
    for (const { text } of cases) {
      for (let bytes = 1; bytes < text.length; bytes++) {
        const store = await openOn(diskWith(before + text.slice(0, bytes)));
        assert.equal(store.condition.kind, "torn", `${bytes} bytes of ${text}`);
        await store.close();
      }
      before += text;
    }
  });

  it("of which a byte is another is damaged", async () => {
    for (const { record, text } of cases) {
      const from = text.lastIndexOf("#");
      for (let at = from + "# 1.1 ".length; at < text.length - 1; at++) {
        const changed = `${text.slice(0, at)}${text[at] === "1" ? "2" : "1"}${text.slice(at + 1)}`;
        const behind = entry("eg==", "MQ==", `# 1.${record.seq + 1}`);
        const first = record.seq > 1 ? entry("eg==", "MQ==", `# 1.${record.seq - 1}`) : "";
        const { condition } = await verifyLog(diskWith(first + changed + behind), dbfile);
        assert.equal(condition.kind, "damaged", changed);
      }
    }
  });
});

describe("the options of a record", () => {
  const next = entry("eg==", "MQ==", "# 1.2");
  const accepted = "kind=accept change=1 group=g rev=1 ahead=1 requests=0";
  const misfits: readonly (readonly [string, string])[] = [
    ["a copy before the last entry", entry("YQ==", "MQ==", "+ 1.1", " copy=5")],
    ["a copy that begins an epoch", entry("", "-", "# 1.1", " kind=epoch copy=5")],
    ["a copy without anything", entry("", "-", "# 1.1", " kind=done copy=5")],
    ["a copy that is forgotten", entry("YQ==", "-", "# 1.1", " copy=5 forget=1")],
    ["a value that is forgotten", entry("YQ==", "MQ==", "# 1.1", " forget=1")],
    [
      "a value that is forgotten beside a delete",
      entry("YQ==", "MQ==", "+ 1.1") + entry("Yg==", "-", "# 1.1", " forget=1 batch=2"),
    ],
    ["an expiry that is forgotten", entry("YQ==", "-", "# 1.1", " kind=expire forget=1")],
    ["a request that is forgotten", entry("YQ==", "-", "# 1.1", " id=x forget=1")],
    ["forgetting before the last entry", entry("YQ==", "-", "+ 1.1", " forget=1")],
    ["a release without a group", entry("", "-", "# 1.1", " kind=release change=1")],
    ["a release without a change", entry("", "-", "# 1.1", " kind=release group=g")],
    ["a release with a revision", entry("", "-", "# 1.1", " kind=release change=1 group=g rev=1")],
    ["a release of a key", entry("YQ==", "-", "# 1.1", " kind=release change=1 group=g")],
    ["a release with a value", entry("", "MQ==", "# 1.1", " kind=release change=1 group=g")],
    ["a release for a request", entry("", "-", "# 1.1", " kind=release change=1 group=g id=x")],
    ["an accept without ahead", entry("", "-", "# 1.1", " kind=accept change=1 group=g rev=1 requests=0")],
    ["an accept without requests", entry("", "-", "# 1.1", " kind=accept change=1 group=g rev=1 ahead=1")],
    ["an accept that is a copy", entry("", "-", "# 1.1", ` ${accepted} copy=5`)],
    ["an accept for a request", entry("", "-", "# 1.1", ` ${accepted} id=x`)],
    ["a group of a put", entry("YQ==", "MQ==", "# 1.1", " group=g")],
    ["a change of a put", entry("YQ==", "MQ==", "# 1.1", " change=1")],
    ["ahead of a put", entry("YQ==", "MQ==", "# 1.1", " ahead=1")],
  ];
  for (const [name, bad] of misfits) {
    it(`do not fit: ${name}`, async () => {
      const { condition } = await verifyLog(diskWith(bad + next), dbfile);
      assert.equal(
        condition.kind === "damaged" && condition.reason,
        "its options do not fit its key and value",
      );
    });
  }

  for (const option of [
    "copy=0",
    "copy=x",
    "forget=0",
    "change=0",
    "group=",
    "group=%",
    "rev=x",
    "kind=seal",
  ]) {
    it(`are of a later version: ${option}`, async () => {
      await assert.rejects(
        verifyLog(diskWith(entry("YQ==", "MQ==", "# 1.1", ` ${option}`)), dbfile),
        /a later version/,
      );
    });
  }
});

describe("append refuses", () => {
  const changes = [putting("a", "1")];
  const refused: readonly (readonly [string, Omit<LogRecord, "epoch" | "seq">])[] = [
    ["a copy of revision 0", { changes, move: { kind: "copy", revision: 0 } }],
    ["a copy without anything", { changes: [], move: { kind: "copy", revision: 1 } }],
    ["a put that forgets", { changes, move: { kind: "forget" } }],
    ["forgetting nothing", { changes: [], move: { kind: "forget" } }],
    ["forgetting for a request", { changes: [deleting("a")], requestId: "r", move: { kind: "forget" } }],
    ["a release with changes", { changes, move: { kind: "release", change: 1, to: "g" } }],
    ["a release without a change", { changes: [], move: { kind: "release", change: 0, to: "g" } }],
    ["a release to nobody", { changes: [], move: { kind: "release", change: 1, to: "" } }],
    [
      "a release to a name too long",
      { changes: [], move: { kind: "release", change: 1, to: "ä".repeat(200) } },
    ],
    ["an accept for a request", { changes: [], requestId: "r", move: accept }],
    ["an accept of revisions above its own", { changes: [], move: { ...accept, ahead: 899 } }],
    ["an accept that forgets more than there was", { changes: [], move: { ...accept, requestsAfter: 901 } }],
    ["an accept of half a revision", { changes: [], move: { ...accept, revision: 0.5 } }],
  ];
  for (const [name, record] of refused) {
    it(name, async () => {
      const store = await openOn(new SimulatedDisk());
      await assert.rejects(store.append([{ epoch: 1, seq: 1, ...record }]), RangeError);
      assert.throws(() => store.check({ epoch: 1, seq: 1, ...record }), RangeError);
      await store.append([put(1, 1, "a", "1")]);
      await store.close();
    });
  }
});

describe("the base line", () => {
  const snapshot = (fields: string) => {
    const base = line(`!base 1.9 records=1 epochs=1:1 promised=1${fields}`);
    return line("!kvlab 1 snapshot=1") + entry("YQ==", "MQ==", "# 1.4") + base;
  };

  it("says what the records that are gone have said of moves", async () => {
    const fields = ` requests=3 forgotten=2 copied=50 ahead=3:40,7:90 change=5 released=${named},b accepted=${named}:80,c:0`;
    const store = await openOn(diskWith(snapshot(fields)));
    assert.deepEqual(store.moves, {
      change: 5,
      released: new Set([group, "b"]),
      accepted: new Map([
        [group, 80],
        ["c", 0],
      ]),
    });
    assert.deepEqual([store.lastRevision, (await store.get("a"))?.revision], [99, 44]);
    // Of a copy that is forgotten, and was accepted.
    assert.equal(store.requestsAfter, 50);
    await store.close();
  });

  for (const fields of [
    " forgotten=x",
    " change=1",
    " forgotten=0 ahead=3",
    " forgotten=0 released=",
    " forgotten=0 released=a,a",
    " forgotten=0 accepted=a",
    " forgotten=0 accepted=a:1:2",
    " forgotten=0 sealed=a",
  ]) {
    it(`is of a later version with${fields}`, async () => {
      await assert.rejects(verifyLog(diskWith(snapshot(fields)), dbfile), /a later version/);
    });
  }
});
