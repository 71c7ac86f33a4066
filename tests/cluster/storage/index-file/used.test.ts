import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../../../src/cluster/storage/model.ts";
import { openLog } from "../../../../src/cluster/storage/open.ts";
import { systemClock } from "../../../../src/common/clock.ts";
import {
  addTo,
  indexDraft,
  indexedLog,
  indexFile,
  opened,
  openedWhole,
  openIndexed,
} from "../../../support/indexed-log.ts";
import {
  allKindsOfRecords,
  contentsAfter,
  contentsOf,
  dbfile,
  deletion,
  epochRecord,
  openOn,
  put,
  rbfile,
} from "../../../support/log-fixtures.ts";
import { SimulatedDisk, systemError } from "../../../support/simulated-disk.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

/** Waits before the first operation on a file; resolves when it is about to begin. */
function holdAt(disk: SimulatedDisk, meantKind: string, meantPath: string) {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  disk.intercept = ({ kind, path }) => {
    if (kind !== meantKind || path !== meantPath) return;
    reached.resolve();
    return released.promise;
  };
  return { reached: reached.promise, release: () => released.resolve() };
}

/** Lets everything happen that waits for nothing. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Opens the log by its index file, and checks that this makes what reading it whole does. */
async function checkUsed(disk: SimulatedDisk): Promise<void> {
  const byIndex = await opened(disk);
  assert.deepEqual(byIndex.refusals, []);
  assert.ok(byIndex.isUsed);
  assert.deepEqual(byIndex.facts, await openedWhole(disk));
}

describe("a log with an index file", () => {
  it("writes it in parts, between which others get their turn", async () => {
    const clock = new VirtualClock();
    const disk = new SimulatedDisk();
    const store = await openIndexed(disk, { clock });
    await store.adopt({ cluster: "c1", group: "zdata1", number: 1 });
    await addTo(
      store,
      Array.from({ length: 3000 }, (_, index) => put(1, index + 1, `key ${index}`, "value")),
    );
    await settle();
    const before = disk.contents(indexFile);
    await addTo(store, [put(1, 3001, "another", "value")]);
    assert.notEqual(clock.timerCount, 0);
    await clock.until("there is another index file", () => disk.contents(indexFile) !== before);
    await store.close();
    await checkUsed(disk);
  });

  const records = allKindsOfRecords(120);

  it("opens as without it, whatever has been added since", async () => {
    for (let more = 0; more <= 60; more += 3) {
      const disk = await indexedLog(records.slice(0, 60));
      const store = await openOn(disk);
      await store.promise(3);
      if (more % 2 === 0) await store.beginLife(String(more + 1));
      for (const record of records.slice(60, 60 + more)) await store.append([record]);
      await store.close();
      await checkUsed(disk);
    }
  });

  it("opens as without it after it was compacted, cut back, and replaced by a snapshot", async () => {
    const disk = await indexedLog(records.slice(0, 70));
    let store = await openIndexed(disk);
    store.commit(70);
    await store.append(records.slice(70, 100));
    await store.compact();
    await store.close();
    await checkUsed(disk);
    store = await openIndexed(disk);
    await store.truncate(90);
    store.commit(90);
    await store.close();
    await checkUsed(disk);
    store = await openIndexed(disk);
    const epochs = [{ epoch: 9, firstSeq: 1 }];
    const snapshot = await store.beginSnapshot({ base: { epoch: 9, seq: 500 }, epochs, requestsAfter: 400 });
    await snapshot.write(records.map((record) => ({ ...record, epoch: 9, seq: record.seq + 300 })));
    await snapshot.finish();
    await addTo(store, [deletion(9, 501, "key 1"), epochRecord(10, 502)]);
    await store.close();
    await checkUsed(disk);
  });

  it("opens as without it however records were committed and appended while it was written", async () => {
    for (let held = 1; held <= 6; held++) {
      const disk = await indexedLog(records.slice(0, 1));
      const store = await openIndexed(disk);
      let writes = 0;
      let next = 1;
      const add = async (count: number, isCommitted: boolean) => {
        const added = records.slice(next, next + count);
        next += added.length;
        await store.append(added);
        if (isCommitted) store.commit(next - 1);
      };
      disk.intercept = async ({ kind, path }) => {
        if (path !== indexDraft || kind !== "write" || ++writes % held !== 0 || next > 100) return;
        await add(held, writes % 3 !== 0);
      };
      while (next < 100) await add(3, true);
      await settle();
      disk.intercept = undefined;
      disk.crash(() => 0);
      assert.ok(writes > 6);
      await checkUsed(disk);
    }
  });

  it("appends to it while the index file is written, and compacts it behind that", async () => {
    const disk = await indexedLog(records.slice(0, 10));
    const store = await openIndexed(disk);
    const hold = holdAt(disk, "write", indexDraft);
    await addTo(store, records.slice(10, 60));
    await hold.reached;
    await addTo(store, records.slice(60, 80));
    const compacted = store.compact();
    await store.append(records.slice(80));
    assert.deepEqual(await contentsOf(store), contentsAfter(records.slice(0, 80)));
    hold.release();
    await compacted;
    assert.equal(store.base.seq, 80);
    await store.close();
    await checkUsed(disk);
  });

  it("gives up the index file for a snapshot that comes in, and for its own end", async () => {
    const disk = await indexedLog(records.slice(0, 10));
    const store = await openIndexed(disk);
    const before = disk.contents(indexFile);
    const hold = holdAt(disk, "write", indexDraft);
    await addTo(store, records.slice(10, 60));
    await hold.reached;
    const epochs = [{ epoch: 4, firstSeq: 1 }];
    const beginning = store.beginSnapshot({ base: { epoch: 4, seq: 200 }, epochs, requestsAfter: 0 });
    hold.release();
    const snapshot = await beginning;
    assert.equal(disk.contents(indexDraft), undefined);
    assert.deepEqual(disk.contents(indexFile), before);
    await snapshot.abort();
    await store.close();
    await checkUsed(disk);
  });

  it("is indexed after a compaction, when it has grown, and when it is closed, but not at every record", async () => {
    const disk = await indexedLog(records.slice(0, 10), { indexedBytesMin: 100 });
    const store = await openIndexed(disk, { indexedBytesMin: 100 });
    let renames = 0;
    disk.intercept = ({ kind, path }) => {
      if (kind === "rename" && path === indexDraft) renames++;
    };
    for (const record of records.slice(10)) {
      await addTo(store, [record]);
      await settle();
    }
    assert.ok(renames >= 1 && renames <= 6, `${renames}`);
    renames = 0;
    await store.compact();
    await settle();
    assert.equal(renames, 1);
    await store.close();
    assert.equal(renames, 1, "nothing was added since");
  });

  it("is not indexed while something visible may have to be cut off, or when it belongs to nobody", async () => {
    const disk = await indexedLog(records.slice(0, 50));
    disk.take(indexFile);
    const store = await openIndexed(disk);
    await store.append(records.slice(50, 60));
    store.commit(40);
    await store.close();
    assert.equal(disk.contents(indexFile), undefined);
  });

  it("takes no name of it for its rollback file", async () => {
    const disk = await indexedLog(records.slice(0, 5));
    const options = { disk, dbfile, clock: systemClock, onFatal: () => {}, log: () => {} };
    for (const rbfile of [indexFile, indexDraft]) {
      await assert.rejects(openLog({ ...options, rbfile }), /is the index file of dbfile/);
    }
  });
});

describe("an index file that cannot be written", () => {
  const records: LogRecord[] = allKindsOfRecords(60);

  for (const kind of ["create", "write", "datasync", "rename"] as const) {
    it(`(${kind}) is said, leaves nothing, and is tried again when there is more to gain`, async () => {
      const disk = await indexedLog(records.slice(0, 5));
      const before = disk.contents(indexFile);
      const messages: string[] = [];
      const store = await openIndexed(disk, { log: (message) => messages.push(message) });
      disk.intercept = (operation) => {
        if (operation.kind === kind && operation.path === indexDraft) throw systemError("EIO", indexDraft);
      };
      await addTo(store, records.slice(5, 30));
      await settle();
      assert.match(
        messages.join("\n"),
        /db\.txt\.index could not be written: EIO.*the log is whole without it/,
      );
      assert.equal(disk.contents(indexDraft), undefined);
      assert.deepEqual(disk.contents(indexFile), before);
      const { length } = messages;
      await addTo(store, records.slice(30, 31));
      await settle();
      assert.equal(messages.length, length);
      disk.intercept = undefined;
      await addTo(store, records.slice(31));
      await settle();
      assert.notDeepEqual(disk.contents(indexFile), before);
      await store.close();
      await checkUsed(disk);
    });
  }

  it("for want of room leaves that to the log, also when it had it already", async () => {
    const disk = await indexedLog(records.slice(0, 5));
    const store = await openIndexed(disk);
    const hold = holdAt(disk, "datasync", indexDraft);
    await addTo(store, records.slice(5, 40));
    await hold.reached;
    disk.freeBytes = 0;
    const appended = store.append(records.slice(40, 41));
    hold.release();
    await appended;
    disk.intercept = undefined;
    assert.equal(disk.contents(indexDraft), undefined);
    assert.equal(store.full, undefined);
    disk.freeBytes = 500;
    await store.close();
    assert.equal(disk.contents(indexDraft), undefined);
    disk.freeBytes = Number.MAX_SAFE_INTEGER;
    await checkUsed(disk);
    assert.ok(disk.contents(dbfile) && !disk.contents(rbfile));
  });
});
