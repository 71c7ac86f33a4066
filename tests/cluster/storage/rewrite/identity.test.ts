import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { repairLog, verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import { contentsAfter, contentsOf, dbfile, openOn, someRecords } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

const records = someRecords(20);
const owner = { cluster: "c1", group: "g", number: 3 };

/** A disk with a log of 20 records of node 3, which has begun life 7. */
async function withLog(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt(owner);
  await store.append(records);
  await store.beginLife("7");
  await store.close();
  return disk;
}

function copyTo(disk: SimulatedDisk, source: SimulatedDisk): void {
  disk.place(dbfile, source.contents(dbfile) ?? assert.fail());
}

describe("a copy of a log", () => {
  it("is known to be one, on the same disk and on another", async () => {
    const disk = await withLog();
    for (const target of [disk, new SimulatedDisk(2)]) {
      copyTo(target, disk);
      const store = await openOn(target);
      assert.equal(store.isCopy, true);
      await store.close();
    }
  });

  it("becomes a log of its own with all its records when a node adopts it", async () => {
    const disk = await withLog();
    copyTo(disk, disk);
    const store = await openOn(disk);
    const original = store.identity?.storeId;
    await store.adopt({ ...owner, number: 4 });
    assert.equal(store.isCopy, false);
    assert.equal(store.identity?.number, 4);
    assert.notEqual(store.identity?.storeId, original);
    assert.equal(store.life, undefined, "its lives are those of the original");
    assert.deepEqual(await contentsOf(store), contentsAfter(records));
    await store.close();
    const again = await openOn(disk);
    assert.equal(again.isCopy, false);
    assert.equal(again.identity?.number, 4);
    await again.close();
  });

  it("begins anew when it is damaged: nobody can fill it up under a number that is another's", async () => {
    const disk = await withLog();
    copyTo(disk, disk);
    disk.flip(dbfile, (disk.contents(dbfile)?.length ?? 0) - 300, 1);
    const store = await openOn(disk);
    await store.adopt({ ...owner, number: 4 });
    assert.equal(store.last.seq, 0);
    assert.notEqual(disk.contents(`${dbfile}.damaged-1`), undefined);
    await store.close();
  });
});

it("a log is no copy after it was rewritten, cut back, replaced by a snapshot, or after a power loss", async () => {
  const disk = await withLog();
  const isCopyAfter = async (change: (store: Awaited<ReturnType<typeof openOn>>) => Promise<void>) => {
    const store = await openOn(disk);
    await change(store);
    await store.close();
    const again = await openOn(disk);
    const { isCopy, life } = again;
    await again.close();
    return { isCopy, life };
  };
  const same = { isCopy: false, life: "7" };
  assert.deepEqual(
    await isCopyAfter(async (store) => {
      store.commit(15);
      await store.compact();
    }),
    same,
  );
  assert.deepEqual(await isCopyAfter((store) => store.truncate(18)), same);
  assert.deepEqual(
    await isCopyAfter(async (store) => {
      const copy = await store.beginSnapshot({ base: { epoch: 9, seq: 30 }, epochs: [], requestsAfter: 0 });
      await copy.finish();
    }),
    same,
  );
  disk.crash(() => 0);
  assert.deepEqual(await isCopyAfter(async () => {}), same);
});

it("the last life that began is the one that counts, over compaction and in a damaged log", async () => {
  const disk = await withLog();
  const store = await openOn(disk);
  await store.beginLife("12");
  assert.equal(store.life, "12");
  await store.beginLife("9");
  assert.equal(store.life, "12");
  store.commit(20);
  await store.compact();
  await store.close();
  disk.flip(dbfile, (disk.contents(dbfile)?.length ?? 0) - 100, 1);
  const damaged = await openOn(disk);
  assert.equal(damaged.condition.kind, "damaged");
  await damaged.beginLife("13");
  await damaged.close();
  const again = await openOn(disk);
  assert.equal(again.life, "13");
  await again.close();
});

it("a log of an earlier version keeps its store id, number and records when it gets a cluster", async () => {
  const disk = await withLog();
  // As the version before wrote it: `#!kvlab 1 group= number= store=` alone.
  const bytes = disk.contents(dbfile) ?? assert.fail();
  const text = bytes.toString("latin1");
  const { formatControlLine } = await import("../../../../src/cluster/storage/format/control-line.ts");
  const storeId = /store=([0-9a-f]+)/.exec(text)?.[1] ?? assert.fail();
  const identity = { group: "g", number: 3, storeId };
  const header = formatControlLine({ kind: "header", identity, snapshot: false });
  const rest = text.slice(text.indexOf("\n") + 1).replace(/^!life.*\n/m, "");
  disk.place(dbfile, Buffer.from(header + rest, "latin1"));
  const store = await openOn(disk);
  assert.equal(store.isCopy, false, "such a log does not know its file");
  assert.equal(store.identity?.cluster, undefined);
  await assert.rejects(store.adopt({ ...owner, number: 5 }), /belongs to node 3/);
  await store.adopt(owner);
  await store.close();
  const again = await openOn(disk);
  assert.deepEqual(again.identity, { ...identity, cluster: "c1" });
  assert.deepEqual(await contentsOf(again), contentsAfter(records));
  await assert.rejects(again.adopt(owner), /belongs to node 3/);
  await again.close();
});

it("a repaired log says so, and a snapshot ends that", async () => {
  const disk = await withLog();
  disk.flip(dbfile, 600, 1);
  await repairLog(disk, dbfile);
  assert.equal((await verifyLog(disk, dbfile)).identity?.repaired, true);
  const store = await openOn(disk);
  assert.equal(store.isCopy, false);
  assert.equal(store.identity?.repaired, true);
  assert.equal(store.life, "7");
  const copy = await store.beginSnapshot({ base: { epoch: 9, seq: 30 }, epochs: [], requestsAfter: 0 });
  await copy.finish();
  assert.notEqual(store.identity?.repaired, true);
  await store.close();
  const again = await openOn(disk);
  assert.notEqual(again.identity?.repaired, true);
  await again.close();
});

it("a life that begins while a snapshot comes is the snapshot's, too", async () => {
  const disk = await withLog();
  const store = await openOn(disk);
  const copy = await store.beginSnapshot({ base: { epoch: 9, seq: 30 }, epochs: [], requestsAfter: 0 });
  await store.beginLife("12");
  await copy.finish();
  assert.equal(store.life, "12");
  await store.close();
  const again = await openOn(disk);
  assert.equal(again.life, "12");
  assert.equal(again.condition.kind, "intact");
  assert.deepEqual(again.last, { epoch: 9, seq: 30 });
  await again.close();
});
