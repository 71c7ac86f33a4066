import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dumpLog, verifyLog } from "../../../../src/cluster/storage/tools/index.ts";
import { dbfile, epochRecord, openOn, put } from "../../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../../support/simulated-disk.ts";

const kept = (number: number) => `${dbfile}.cut-${number}`;

/** A log with records 1 to 10 of epoch 1 and 11 to 20 of epoch 2, committed up to 5. */
async function openLogOf20(disk: SimulatedDisk, said: string[] = []) {
  const store = await openOn(disk, { log: (message) => said.push(message) });
  await store.adopt({ cluster: "c", group: "g", number: 1 });
  for (let seq = 1; seq <= 20; seq++) await store.append([put(seq <= 10 ? 1 : 2, seq, `k${seq}`, `${seq}`)]);
  store.commit(5);
  return store;
}

async function seqsIn(disk: SimulatedDisk, path: string): Promise<string[]> {
  const seqs: string[] = [];
  for await (const { epoch, seq } of dumpLog(disk, path)) seqs.push(`${epoch}.${seq}`);
  return seqs;
}

function epochsOf(...firstSeqs: readonly (readonly [number, number])[]) {
  return firstSeqs.map(([epoch, firstSeq]) => ({ epoch, firstSeq }));
}

describe("what is cut off a log", () => {
  it("by the group is told and kept as a log of its own", async () => {
    const disk = new SimulatedDisk();
    const said: string[] = [];
    const store = await openLogOf20(disk, said);
    await store.truncate(18);
    await store.append([epochRecord(3, 19)]);
    await store.truncate(8);
    assert.deepEqual(await seqsIn(disk, kept(1)), ["2.19", "2.20"]);
    assert.deepEqual((await seqsIn(disk, kept(2))).slice(0, 3), ["1.9", "1.10", "2.11"]);
    assert.equal((await verifyLog(disk, kept(2))).condition.kind, "intact");
    assert.match(
      said.join("\n"),
      /db\.txt: \d+ bytes after record 2\.18 are cut off since the group has gone on.* kept in \/data\/db\.txt\.cut-1\n/,
    );
    await store.close();
  });

  it("is nothing while it was not on the disk", async () => {
    const disk = new SimulatedDisk();
    const store = await openLogOf20(disk);
    const waiting = store.append([put(2, 21, "a", "1")]);
    waiting.catch(() => {});
    const cut = store.truncate(20);
    await Promise.allSettled([waiting, cut]);
    assert.deepEqual(disk.paths().filter((path) => path.includes(".cut-")).length <= 1, true);
    await store.close();
  });

  const copies: [string, readonly (readonly [number, number])[], { epoch: number; seq: number }, string[]][] = [
    ["a copy that has it all", [[1, 1], [2, 11], [3, 21]], { epoch: 3, seq: 30 }, []],
    ["a copy that ends with the same record", [[1, 1], [2, 11]], { epoch: 2, seq: 20 }, []],
    ["a copy that is shorter", [[1, 1], [2, 11]], { epoch: 2, seq: 18 }, ["2.19", "2.20"]],
    ["a copy whose history is another", [[1, 1], [3, 18]], { epoch: 3, seq: 40 }, ["2.11", "2.12"]],
    ["a copy that has nothing in common", [[7, 1]], { epoch: 7, seq: 40 }, ["1.1", "1.2"]],
  ]; // biome-ignore format: a list
  for (const [name, epochs, base, lost] of copies) {
    it(`by ${name} is ${lost.length === 0 ? "nothing" : "what that lacks"}`, async () => {
      const disk = new SimulatedDisk();
      const store = await openLogOf20(disk);
      const copy = await store.beginSnapshot({ base, epochs: epochsOf(...epochs), requestsAfter: 0 });
      await copy.finish();
      if (lost.length === 0) assert.equal(disk.contents(kept(1)), undefined);
      else assert.deepEqual((await seqsIn(disk, kept(1))).slice(0, 2), lost);
      await store.close();
    });
  }

  it("by a copy in the place of a damaged log is what stands from the damage on", async () => {
    const disk = new SimulatedDisk();
    await (await openLogOf20(disk)).close();
    const bytes = disk.contents(dbfile) ?? assert.fail();
    const at = bytes.indexOf("# 1.8 ");
    disk.flip(dbfile, at, 1);
    const store = await openOn(disk);
    assert.equal(store.condition.kind, "damaged");
    const copy = await store.beginSnapshot({
      base: { epoch: 2, seq: 20 },
      epochs: epochsOf([1, 1], [2, 11]),
      requestsAfter: 0,
    });
    await copy.finish();
    assert.equal(store.condition.kind, "intact");
    assert.ok(disk.contents(kept(1))?.includes(bytes.subarray(at + 1)));
    assert.equal((await verifyLog(disk, kept(1))).records, 12);
    await store.close();
  });

  it("stays as long as eight newer ones have not come, and these have 64 MiB", async () => {
    const disk = new SimulatedDisk();
    const said: string[] = [];
    const store = await openLogOf20(disk, said);
    for (let number = 1; number <= 8; number++) disk.place(kept(number), Buffer.alloc(10));
    await store.truncate(19);
    const names = () =>
      disk
        .paths()
        .filter((path) => path.includes(".cut-"))
        .sort();
    assert.deepEqual(names(), [2, 3, 4, 5, 6, 7, 8, 9].map(kept));
    assert.match(said.join("\n"), /db\.txt\.cut-1 is removed: newer ones are there/);
    disk.place(kept(7), Buffer.alloc(40 * 1024 * 1024));
    disk.place(kept(8), Buffer.alloc(40 * 1024 * 1024));
    await store.truncate(18);
    assert.deepEqual(names(), [kept(10), kept(8), kept(9)]);
    disk.place(kept(10), Buffer.alloc(70 * 1024 * 1024));
    await store.truncate(17);
    assert.deepEqual(names(), [kept(11)]);
    await store.close();
  });

  it("must find room beside the log, else nothing is cut off", async () => {
    const disk = new SimulatedDisk();
    const store = await openLogOf20(disk);
    disk.freeBytes = 10;
    await assert.rejects(store.truncate(8), { code: "full" });
    assert.equal(store.last.seq, 20);
    assert.deepEqual(
      disk.paths().filter((path) => path.includes(".cut-")),
      [],
    );
    disk.freeBytes = 1e6;
    await store.truncate(8);
    assert.equal(store.last.seq, 8);
    await store.close();
    const whole = disk.contents(dbfile) ?? assert.fail();
    disk.place(dbfile, whole.subarray(0, -1));
    disk.freeBytes = 10;
    await assert.rejects(openOn(disk), /cannot open it: ENOSPC.*free some space first/);
    assert.deepEqual(disk.contents(dbfile), whole.subarray(0, -1));
  });
});
