import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import {
  contentsOf,
  dbfile,
  deletion,
  epochRecord,
  openOn,
  plain,
  put,
  putting,
  someRecords,
  text,
} from "../../support/log-fixtures.ts";
import { createSimulatedDisk } from "../../support/simulated-disk.ts";

async function newLog() {
  const disk = createSimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  return { disk, store };
}

/** Operations on the log's file from now on. */
function watch(disk: Awaited<ReturnType<typeof newLog>>["disk"]): string[] {
  const seen: string[] = [];
  disk.intercept = ({ kind, path }) => {
    if (path.includes("db.txt") || path.includes("rollback")) seen.push(kind);
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

describe("commit", () => {
  it("makes records visible; what was found on opening is visible", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "1"), put(1, 2, "b", "2"), deletion(1, 3, "a"), put(1, 4, "b", "3")]);
    assert.deepEqual(await contentsOf(store), new Map());
    assert.equal(store.keyCount, 0);
    store.commit(2);
    assert.deepEqual(
      await contentsOf(store),
      new Map([
        ["a", "1"],
        ["b", "2"],
      ]),
    );
    store.commit(1);
    store.commit(3);
    assert.deepEqual(await contentsOf(store), new Map([["b", "2"]]));
    await store.close();
    const again = await openOn(disk);
    assert.deepEqual(await contentsOf(again), new Map([["b", "3"]]));
    assert.equal((await again.get("b"))?.revision, 4);
    await again.close();
  });

  it("ahead of the disk makes a record visible when it gets there", async () => {
    const { store } = await newLog();
    const appended = store.append([put(1, 1, "a", "1")]);
    store.commit(1);
    await appended;
    assert.equal(text((await store.get("a"))?.value), "1");
    await store.close();
  });

  it("is foreseen by pendingFacts", async () => {
    const { store } = await newLog();
    void store.append([put(1, 1, "a", "1"), put(1, 2, "b", "1"), deletion(1, 3, "b")]);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => store.pendingFacts(key)?.revision),
      [1, undefined, undefined],
    );
    await store.append([deletion(1, 4, "a"), put(1, 5, "b", "2")]);
    store.commit(2);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => store.pendingFacts(key)?.revision),
      [undefined, 5, undefined],
    );
    store.commit(5);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => store.pendingFacts(key)?.revision),
      [undefined, 5, undefined],
    );
    await store.close();
  });
});

describe("read", () => {
  it("gives records in order from memory and from disk alike, about as many bytes as asked for", async () => {
    const { disk, store } = await newLog();
    const records = someRecords(2000, 100);
    await store.append(records);
    const fromMemory = await store.read(0, Number.MAX_SAFE_INTEGER);
    assert.deepEqual(
      fromMemory?.map(({ seq }) => seq),
      records.map(({ seq }) => seq),
    );
    await store.close();
    const again = await openOn(disk);
    for (const after of [0, 1, 999, 1500, 1998]) {
      const read = await again.read(after, Number.MAX_SAFE_INTEGER);
      assert.deepEqual(plain(read), plain(records.slice(after)));
      const some = await again.read(after, 200);
      assert.ok(some !== undefined && some.length >= 1 && some.length < 40);
      assert.deepEqual(plain(some), plain(records.slice(after, after + some.length)));
    }
    assert.deepEqual(await again.read(2000, 100), []);
    await again.close();
  });

  it("gives records that are in the file, on disk or not, and no others", async () => {
    const { disk, store } = await newLog();
    const reached = { write: Promise.withResolvers<void>(), datasync: Promise.withResolvers<void>() };
    const goOn = { write: Promise.withResolvers<void>(), datasync: Promise.withResolvers<void>() };
    disk.intercept = async ({ kind }) => {
      if (kind !== "write" && kind !== "datasync") return;
      reached[kind].resolve();
      await goOn[kind].promise;
    };
    const keysRead = async () => (await store.read(0, 100))?.map(({ changes }) => changes[0]?.key);
    const appended = store.append([put(1, 1, "a", "1")]);
    await reached.write.promise;
    assert.equal(store.written.seq, 0);
    assert.deepEqual(await keysRead(), []);
    goOn.write.resolve();
    await reached.datasync.promise;
    assert.equal(store.durable.seq, 0);
    assert.equal(store.written.seq, 1);
    assert.deepEqual(await keysRead(), ["a"]);
    goOn.datasync.resolve();
    await appended;
    await store.close();
  });

  it("goes to the disk for what memory does not keep", async () => {
    const { store } = await newLog();
    const value = "x".repeat(100_000);
    for (let seq = 1; seq <= 150; seq++) {
      await store.append([put(1, seq, `key ${seq}`, `${seq} ${value}`)]);
      store.commit(seq);
    }
    const records: LogRecord[] = [];
    while (records.length < 150) records.push(...((await store.read(records.length, 1_000_000)) ?? []));
    assert.deepEqual(
      records.map(({ seq, changes }) => [seq, changes[0]?.key, text(changes[0]?.value)]),
      Array.from({ length: 150 }, (_, index) => [index + 1, `key ${index + 1}`, `${index + 1} ${value}`]),
    );
    assert.equal(text((await store.get("key 1"))?.value), `1 ${value}`);
    await store.close();
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

describe("adopt", () => {
  it("keeps what was promised and written before", async () => {
    const disk = createSimulatedDisk();
    const store = await openOn(disk);
    await store.promise(4);
    await store.append([put(2, 1, "a", "1")]);
    await store.adopt({ cluster: "c1", group: "g", number: 1 });
    await store.close();
    const again = await openOn(disk);
    assert.equal(again.promisedEpoch, 4);
    assert.deepEqual(await contentsOf(again), new Map([["a", "1"]]));
    await again.close();
  });
});

describe("truncate", () => {
  it("drops records, visible ones too, and brings back what they had overwritten", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "1"), put(1, 2, "b", "2")]);
    await store.append([deletion(2, 3, "a"), put(2, 4, "b", "3"), put(3, 5, "c", "4")]);
    await store.close();
    const again = await openOn(disk);
    await again.truncate(2);
    assert.deepEqual(
      await contentsOf(again),
      new Map([
        ["a", "1"],
        ["b", "2"],
      ]),
    );
    assert.deepEqual(again.last, { epoch: 1, seq: 2 });
    assert.deepEqual(again.epochs, [{ epoch: 1, firstSeq: 1 }]);
    assert.equal(again.promisedEpoch, 3);
    await again.append([put(4, 3, "d", "5")]);
    disk.crash(() => 0);
    const last = await openOn(disk);
    assert.deepEqual(
      await contentsOf(last),
      new Map([
        ["a", "1"],
        ["b", "2"],
        ["d", "5"],
      ]),
    );
    await last.close();
  });

  it("refuses to go below the base", async () => {
    const { store } = await newLog();
    await store.append(someRecords(10));
    store.commit(8);
    await store.compact();
    await assert.rejects(store.truncate(7), /only those after 8/);
    await store.truncate(8);
    assert.equal(store.last.seq, 8);
    await store.close();
  });

  it("tells who waits for a dropped record", async () => {
    const { disk, store } = await newLog();
    await store.append([put(1, 1, "a", "1")]);
    const held = Promise.withResolvers<void>();
    disk.intercept = ({ kind }) => (kind === "write" ? held.promise : undefined);
    const first = store.append([put(1, 2, "b", "1")]);
    // Let the first write begin, so that the next record has to wait for another one.
    await new Promise((resolve) => setImmediate(resolve));
    const second = store.append([put(1, 3, "c", "1")]);
    const truncated = store.truncate(1);
    const dropped = assert.rejects(second, { code: "dropped" });
    held.resolve();
    await first;
    await dropped;
    await truncated;
    assert.equal(store.last.seq, 1);
    await store.close();
  });
});

describe("a header", () => {
  it("names the group, the node and the log, whatever the names are", async () => {
    const disk = createSimulatedDisk();
    const store = await openOn(disk);
    await store.adopt({ cluster: "c1", group: "a group=ü%\n", number: 12 });
    await store.close();
    assert.match(
      disk.contents(dbfile)?.toString() ?? "",
      /^!kvlab 1 group=a%20group%3D%C3%BC%25%0A number=12 store=[0-9a-f]{16} cluster=c1 file=\S+ [0-9a-f]{8}\n$/,
    );
    const again = await openOn(disk);
    assert.deepEqual(again.identity, store.identity);
    await assert.rejects(again.adopt({ cluster: "c1", group: "b", number: 1 }), /belongs to node 12/);
    await again.close();
  });
});

describe("close", () => {
  it("writes out what waits and refuses what comes after", async () => {
    const { disk, store } = await newLog();
    const appended = store.append([put(1, 1, "a", "1")]);
    const promised = store.promise(8);
    await Promise.all([store.close(), store.close()]);
    await appended;
    await promised;
    await assert.rejects(store.append([put(1, 2, "a", "1")]), { code: "closed" });
    await assert.rejects(store.get("a"), { code: "closed" });
    disk.crash(() => 0);
    const again = await openOn(disk);
    assert.equal(again.last.seq, 1);
    assert.equal(again.promisedEpoch, 8);
    await again.close();
  });
});
