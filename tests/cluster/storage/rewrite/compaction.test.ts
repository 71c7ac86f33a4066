import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../../src/cluster/storage/model.ts";
import { verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import {
  contentsAfter,
  contentsOf,
  dbfile,
  deletion,
  openOn,
  put,
  rbfile,
  someRecords,
  text,
} from "../../../support/log-fixtures.ts";
import { SimulatedDisk, systemError } from "../../../support/simulated-disk.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

async function logWith(records: readonly LogRecord[]) {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
  await store.append(records);
  return { disk, store };
}

/** Waits before the operation that `isMeant` names first; resolves when it is about to begin. */
function holdAt(disk: SimulatedDisk, isMeant: (kind: string, path: string) => boolean) {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  disk.intercept = ({ kind, path }) => {
    if (!isMeant(kind, path)) return;
    reached.resolve();
    return released.promise;
  };
  return { reached: reached.promise, release: () => released.resolve() };
}

describe("compaction", () => {
  it("leaves only live records, and says what it has folded", async () => {
    const records = someRecords(300);
    const { disk, store } = await logWith(records);
    store.commit(300);
    const before = store.fileBytes;
    assert.ok(store.garbageBytes > before / 2);
    await store.compact();
    assert.equal(store.garbageBytes, 0);
    assert.ok(store.fileBytes < before / 2);
    assert.deepEqual(store.base, store.last);
    assert.deepEqual(store.epochs, [
      { epoch: 1, firstSeq: 1 },
      { epoch: 3, firstSeq: 151 },
    ]);
    assert.deepEqual(await contentsOf(store), contentsAfter(records));
    await store.append([put(3, 301, "new", "x")]);
    await store.close();
    const report = await verifyLog(disk, dbfile);
    assert.equal(report.condition.kind, "intact");
    assert.equal(report.records, report.liveKeys);
    const again = await openOn(disk);
    assert.deepEqual(again.epochs, store.epochs);
    assert.deepEqual(again.base, { epoch: 3, seq: 300 });
    await again.close();
  });

  it("folds no record that is not known to be committed", async () => {
    const { disk, store } = await logWith(someRecords(100));
    await store.compact();
    assert.deepEqual(store.base, { epoch: 0, seq: 0 });
    store.commit(40);
    await store.compact();
    assert.equal(store.base.seq, 40);
    assert.equal((await store.read(40, 1_000_000))?.length, 60);
    await store.close();
    // What was found on opening may still be cut off.
    const again = await openOn(disk);
    await again.compact();
    assert.equal(again.base.seq, 40);
    await again.truncate(50);
    assert.deepEqual(await contentsOf(again), contentsAfter(someRecords(100).slice(0, 50)));
    await again.close();
  });

  it("brings back nothing and loses nothing when what is visible is cut off afterwards", async () => {
    const { disk, store } = await logWith([put(1, 1, "a", "1"), put(1, 2, "b", "1"), put(1, 3, "c", "1")]);
    await store.append([deletion(1, 4, "c"), deletion(1, 5, "a"), put(1, 6, "b", "2")]);
    await store.close();
    const again = await openOn(disk);
    again.commit(4);
    await again.compact();
    assert.equal(again.base.seq, 4);
    assert.deepEqual(await contentsOf(again), new Map([["b", "2"]]));
    await again.truncate(4);
    assert.deepEqual(
      await contentsOf(again),
      new Map([
        ["a", "1"],
        ["b", "1"],
      ]),
    );
    await again.close();
  });

  it("goes on while records are appended, which are all there afterwards", async () => {
    const records = someRecords(400);
    const { disk, store } = await logWith(records.slice(0, 300));
    store.commit(300);
    const hold = holdAt(disk, (kind, path) => kind === "write" && path === rbfile);
    const compaction = store.compact();
    await hold.reached;
    disk.intercept = undefined;
    await store.append(records.slice(300, 350));
    store.commit(350);
    hold.release();
    await Promise.all([compaction, store.append(records.slice(350))]);
    assert.equal(store.base.seq, 300);
    store.commit(400);
    assert.deepEqual(await contentsOf(store), contentsAfter(records));
    assert.deepEqual(
      (await store.read(300, 1_000_000))?.map(({ seq }) => seq),
      records.slice(300).map(({ seq }) => seq),
    );
    await store.close();
    const again = await openOn(disk);
    assert.deepEqual(await contentsOf(again), contentsAfter(records));
    await again.close();
  });

  it("moves records that are not visible yet, too", async () => {
    const { store } = await logWith([put(1, 1, "a", "1"), put(1, 2, "a", "2"), put(1, 3, "b", "3")]);
    store.commit(2);
    await store.compact();
    store.commit(3);
    // More than is kept in memory, so that the value has to come from its place on the disk.
    for (let seq = 4; seq <= 13; seq++) {
      await store.append([put(1, seq, "large", "x".repeat(1024 * 1024))]);
      store.commit(seq);
    }
    assert.equal(text((await store.get("b"))?.value), "3");
    await store.close();
  });

  it("lets a get that has begun return the record that it was for", async () => {
    const { disk, store } = await logWith([put(1, 1, "a", "before"), put(1, 2, "b", "x")]);
    await store.close();
    const again = await openOn(disk);
    again.commit(2);
    const hold = holdAt(disk, (kind, path) => kind === "read" && path === dbfile);
    const found = again.get("a");
    await hold.reached;
    disk.intercept = undefined;
    await again.append([put(1, 3, "a", "after")]);
    again.commit(3);
    await again.compact();
    hold.release();
    assert.equal(text((await found)?.value), "before");
    assert.equal(text((await again.get("a"))?.value), "after");
    await again.close();
  });

  it("begins by itself when more than half of a log of some size is garbage", async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
    const value = "x".repeat(10_000);
    let largest = 0;
    for (let seq = 1; seq <= 1000; seq++) {
      await store.append([put(1, seq, `key ${seq % 20}`, value)]);
      store.commit(seq);
      largest = Math.max(largest, store.fileBytes);
    }
    assert.ok(store.base.seq > 0);
    assert.ok(largest < 3 * 1024 * 1024, `${largest} bytes`);
    assert.equal(store.keyCount, 20);
    await store.close();
  });

  it("begins by itself also in a short log that has taken the place of a long one", async () => {
    const big = "x".repeat(1024 * 1024);
    const { disk, store } = await logWith([1, 2, 3, 4].map((seq) => put(1, seq, `key ${seq}`, big)));
    store.commit(4);
    await store.compact();
    const head = { base: { epoch: 1, seq: 5 }, epochs: [{ epoch: 1, firstSeq: 1 }], requestsAfter: 0 };
    await (await store.beginSnapshot(head)).finish();
    let hasBegun = false;
    disk.intercept = ({ kind, path }) => {
      hasBegun ||= kind === "create" && path === rbfile;
    };
    for (let seq = 6; seq < 9; seq++) {
      await store.append([put(1, seq, "key", big)]);
      store.commit(seq);
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(hasBegun, `${store.fileBytes} bytes, ${store.garbageBytes} of them garbage`);
    await store.close();
  });

  it("begins by itself when most of what the last one has left is deleted", async () => {
    const value = "x".repeat(1024 * 1024);
    const { disk, store } = await logWith([1, 2, 3, 4].map((seq) => put(1, seq, `key ${seq}`, value)));
    store.commit(4);
    await store.compact();
    let hasBegun = false;
    disk.intercept = ({ kind, path }) => {
      hasBegun ||= kind === "create" && path === rbfile;
    };
    for (let number = 1; number <= 3; number++) {
      await store.append([deletion(1, 4 + number, `key ${number}`)]);
      store.commit(4 + number);
      // Meanwhile the index file is written.
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(hasBegun, `${store.fileBytes} bytes, ${store.garbageBytes} of them garbage`);
    await store.close();
  });

  it("rests between two parts of the log, so that calls have most of the time", async () => {
    const clock = new VirtualClock();
    const store = await openOn(new SimulatedDisk(), { clock });
    await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
    const value = "x".repeat(10_000);
    const add = (seq: number) => store.append([put(1, seq, `key ${seq % 20}`, value)]);
    for (let seq = 1; seq <= 40; seq++) await add(seq);
    store.commit(40);
    const compaction = store.compact();
    await clock.until("it rests", () => clock.timerCount > 0);
    await clock.settled(compaction);
    assert.equal(store.base.seq, 40);
    await store.close();
  });

  it("rests also while it catches up with what is not folded", async () => {
    const clock = new VirtualClock();
    const store = await openOn(new SimulatedDisk(), { clock });
    await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
    const value = "x".repeat(500_000);
    for (let seq = 1; seq <= 5; seq++) await store.append([put(1, seq, "key", value)]);
    store.commit(1);
    let rests = 0;
    const timer = clock.timer.bind(clock);
    clock.timer = (...given) => {
      rests++;
      return timer(...given);
    };
    await clock.settled(store.compact());
    // Four records of more than two chunks each; the last chunk may be small.
    assert.ok(rests >= 8, `${rests} rests`);
    await store.close();
  });

  it("holds nobody up while the system frees the file that it has replaced", async () => {
    const { disk, store } = await logWith(someRecords(300));
    store.commit(300);
    const open = disk.open.bind(disk);
    let closing = 0;
    const neverClosed = async (...given: Parameters<typeof open>) => ({
      ...(await open(...given)),
      close() {
        closing++;
        return new Promise<void>(() => {});
      },
    });
    disk.open = neverClosed;
    await store.compact();
    disk.open = open;
    await store.append([put(3, 301, "a", "1")]);
    store.commit(301);
    // This replaces the file that is never closed.
    await store.compact();
    await store.append([put(3, 302, "b", "2")]);
    assert.equal(closing, 1);
    await store.close();
  });

  it("is put off while a copy is read", async () => {
    const { store } = await logWith(someRecords(100));
    store.commit(100);
    const reader = await store.openSnapshot();
    let isDone = false;
    const compaction = store.compact().then(() => {
      isDone = true;
    });
    while ((await reader.next(100)).length > 0) assert.equal(isDone, false);
    assert.equal(store.base.seq, 0);
    await reader.close();
    await compaction;
    assert.equal(store.base.seq, 100);
    await store.close();
  });

  it("that fails leaves the log as it was, which goes on", async () => {
    const { disk, store } = await logWith(someRecords(100));
    store.commit(100);
    disk.intercept = ({ kind, path }) => {
      if (kind === "write" && path === rbfile) throw systemError("ENOSPC", path);
    };
    await assert.rejects(store.compact(), /ENOSPC/);
    assert.equal(disk.contents(rbfile), undefined);
    await store.append([put(3, 101, "a", "b")]);
    disk.intercept = undefined;
    await store.compact();
    assert.equal(store.base.seq, 100);
    await store.close();
  });

  it("takes over nothing, read or only copied, that is not what was written", async () => {
    for (const damaged of [20, 80]) {
      const { disk, store } = await logWith(someRecords(100));
      store.commit(50);
      const record = disk.contents(dbfile)?.indexOf(`.${damaged} `) ?? -1;
      disk.flip(dbfile, record, 1);
      await assert.rejects(store.compact(), /has become unreadable/);
      assert.equal(store.base.seq, 0);
      await store.close();
    }
  });

  it("gives way to a copy that comes in, and to the end of the store", async () => {
    const { disk, store } = await logWith(someRecords(100));
    store.commit(100);
    const hold = holdAt(disk, (kind, path) => kind === "datasync" && path === rbfile);
    const compaction = store.compact();
    await hold.reached;
    disk.intercept = undefined;
    const beginning = store.beginSnapshot({
      base: { epoch: 4, seq: 200 },
      epochs: [{ epoch: 4, firstSeq: 1 }],
      requestsAfter: 0,
    });
    hold.release();
    const copy = await beginning;
    await copy.write([put(4, 150, "a", "b")]);
    await copy.finish();
    await compaction;
    assert.deepEqual(await contentsOf(store), new Map([["a", "b"]]));

    await store.append(Array.from({ length: 20 }, (_, index) => put(4, 201 + index, "a", "c")));
    store.commit(220);
    const second = holdAt(disk, (kind, path) => kind === "datasync" && path === rbfile);
    const stopped = assert.rejects(store.compact(), { code: "closed" });
    await second.reached;
    const closing = store.close();
    second.release();
    await closing;
    await stopped;
    assert.equal(disk.contents(rbfile), undefined);
  });
});
