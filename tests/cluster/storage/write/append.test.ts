import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../../src/cluster/storage/model.ts";
import {
  epochRecord,
  newLog,
  openOn,
  put,
  putting,
  someRecords,
  text,
} from "../../../support/log-fixtures.ts";
import type { SimulatedDisk } from "../../../support/simulated-disk.ts";

/** Operations on the log's file from now on. */
function watch(disk: SimulatedDisk): string[] {
  const seen: string[] = [];
  disk.intercept = ({ kind, path }) => {
    if (path.endsWith("db.txt") || path.includes("rollback")) seen.push(kind);
  };
  return seen;
}

describe("append", () => {
  it("moves the end at once, and resolves when the records are on disk", async () => {
    const { disk, store } = await newLog();
    const appended = store.append([put(1, 1, "a", "x")]);
    assert.deepEqual(store.last, { epoch: 1, seq: 1 });
    assert.deepEqual(store.durable, { epoch: 0, seq: 0 });
    await appended;
    assert.deepEqual(store.durable, { epoch: 1, seq: 1 });
    disk.crash(() => 0);
    const again = await openOn(disk);
    assert.deepEqual(again.last, { epoch: 1, seq: 1 });
    await again.close();
  });

  it("writes and syncs together all that waits", async () => {
    const { disk, store } = await newLog();
    const seen = watch(disk);
    const records = someRecords(100).map((record) => ({ ...record, epoch: 1 }));
    await Promise.all(records.map((record) => store.append([record])));
    assert.deepEqual(seen, ["write", "datasync"]);
    await store.close();
  });

  it("syncs each part of a huge write before the next, so that a crash leaves one of them unfinished at most", async () => {
    const { disk, store } = await newLog();
    const seen = watch(disk);
    const value = "x".repeat(3 * 1024 * 1024);
    await store.append([1, 2, 3, 4].map((seq) => put(1, seq, `key ${seq}`, value)));
    assert.match(seen.join(), /^write,datasync(,write,datasync)+$/);
    await store.close();
  });

  it("of nothing waits for what is before it", async () => {
    const { store } = await newLog();
    void store.append([put(1, 1, "a", "x")]);
    await store.append([]);
    assert.equal(store.durable.seq, 1);
    await store.append([]);
    await store.close();
  });

  const refused: [string, LogRecord[]][] = [
    ["a gap", [put(1, 2, "a", "")]],
    ["a gap within", [put(1, 1, "a", ""), put(1, 3, "a", "")]],
    ["a lower epoch", [put(2, 1, "a", ""), put(1, 2, "a", "")]],
    ["a key that UTF-8 cannot tell", [put(1, 1, "\ud800", "")]],
  ];
  for (const [name, records] of refused) {
    it(`refuses ${name} and changes nothing`, async () => {
      const { store } = await newLog();
      await assert.rejects(store.append(records), RangeError);
      assert.deepEqual(store.last, { epoch: 0, seq: 0 });
      await store.append([put(1, 1, "a", "")]);
      await store.close();
    });
  }

  it("keeps keys and values of every kind", async () => {
    const { disk, store } = await newLog();
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const keys = [
      "",
      " ",
      "\n",
      "\u0000",
      "😀",
      "\ufeffbom",
      "\ufffd",
      "\u00e9",
      "e\u0301",
      "#",
      "-",
      "!",
      "K".repeat(4096),
    ];
    const records = keys.map((key, index): LogRecord => {
      const value = bytes.subarray(0, index * 20);
      return { epoch: 1, seq: index + 1, changes: [putting(key, "", { value, text: index % 2 === 0 })] };
    });
    await store.append(records);
    await store.close();
    const again = await openOn(disk);
    for (const { changes, seq } of records) {
      const { key, value, text } = changes[0] ?? assert.fail();
      const stored = await again.get(key);
      assert.deepEqual(
        { ...stored, value: Buffer.from(stored?.value ?? []) },
        { value: Buffer.from(value), text, revision: seq },
      );
    }
    assert.deepEqual([...again.keys()], keys);
    await again.close();
  });

  it("takes a value of 64 MiB", { timeout: 60_000 }, async () => {
    const { disk, store } = await newLog();
    const value = Buffer.alloc(64 * 1024 * 1024, 7);
    const large = putting("large", "", { value, text: false });
    await store.append([{ epoch: 1, seq: 1, changes: [large] }, put(1, 2, "small", "x")]);
    await store.close();
    const again = await openOn(disk);
    assert.ok(value.equals((await again.get("large"))?.value ?? Buffer.alloc(0)));
    assert.equal(text((await again.get("small"))?.value), "x");
    again.commit(2);
    await again.compact();
    assert.ok(value.equals((await again.get("large"))?.value ?? Buffer.alloc(0)));
    await again.close();
  });
});

describe("promise", () => {
  it("holds at once, is on disk when it resolves, and never goes back", async () => {
    const { disk, store } = await newLog();
    const promised = store.promise(5);
    assert.equal(store.promisedEpoch, 5);
    await Promise.all([promised, store.promise(5), store.promise(4)]);
    disk.crash(() => 0);
    const again = await openOn(disk);
    assert.equal(again.promisedEpoch, 5);
    await again.append([epochRecord(7, 1)]);
    assert.equal(again.promisedEpoch, 7);
    await again.close();
    const last = await openOn(disk);
    assert.equal(last.promisedEpoch, 7);
    await last.close();
  });
});
