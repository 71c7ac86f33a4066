import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { repairLog } from "../../../src/cluster/storage/tools/index.ts";
import { contentsAfter, contentsOf, dbfile, openOn, put, someRecords } from "../../support/log-fixtures.ts";
import { SimulatedDisk, systemError } from "../../support/simulated-disk.ts";

const records = someRecords(50);
const keptIn = `${dbfile}.damaged-1`;

/** A disk with a log of 50 records, 30 of them compacted. */
async function withLog() {
  const disk = new SimulatedDisk();
  const store = await openOn(disk);
  await store.adopt({ cluster: "c1", group: "g", number: 3 });
  await store.append(records.slice(0, 30));
  store.commit(30);
  await store.compact();
  await store.append(records.slice(30));
  await store.promise(6);
  await store.close();
  return { disk, bytes: disk.contents(dbfile) ?? assert.fail() };
}

/** The header of that log is damaged by `damage`. */
async function withoutHeader(damage: (bytes: Buffer) => void) {
  const { disk, bytes } = await withLog();
  damage(bytes);
  disk.place(dbfile, bytes);
  return { disk, bytes };
}

const losses: [string, (bytes: Buffer) => void][] = [
  ["with a flipped bit", (bytes) => bytes.writeUInt8((bytes[9] ?? 0) ^ 1, 9)],
  ["with a foreign first byte", (bytes) => bytes.writeUInt8(0, 0)],
  ["overwritten with zeros, and more", (bytes) => bytes.fill(0, 0, 300)],
];

describe("a log whose header is lost", () => {
  for (const [name, damage] of losses) {
    it(`(${name}) begins anew when a node adopts it, which is like one with an empty disk`, async () => {
      const { disk, bytes } = await withoutHeader(damage);
      const said: string[] = [];
      const store = await openOn(disk, { log: (message) => said.push(message) });
      assert.equal(store.condition.kind, "damaged");
      assert.equal(typeof store.identity, "undefined");
      await assert.rejects(store.append([put(6, 51, "a", "1")]), { code: "damaged" });
      await store.adopt({ cluster: "c1", group: "g", number: 9 });
      assert.deepEqual(disk.contents(keptIn), bytes);
      assert.match(said.join("\n"), /had lost its header: it is kept as \/data\/db\.txt\.damaged-1/);
      assert.deepEqual(store.condition, { kind: "intact" });
      assert.equal(store.identity?.number, 9);
      assert.deepEqual(
        [store.last, store.base],
        [
          { epoch: 0, seq: 0 },
          { epoch: 0, seq: 0 },
        ],
      );
      assert.equal(store.keyCount, 0);
      assert.equal(store.promisedEpoch, 6);
      await store.append([put(6, 1, "a", "1")]);
      disk.crash(() => 0);
      const again = await openOn(disk);
      assert.deepEqual(again.condition, { kind: "intact" });
      assert.equal(again.identity?.number, 9);
      assert.equal(again.promisedEpoch, 6);
      assert.deepEqual([...(await contentsOf(again))], [["a", "1"]]);
      await again.close();
    });
  }

  it("loses nothing of what is left, which a repair brings back", async () => {
    const { disk } = await withoutHeader((bytes) => bytes.writeUInt8(0, 0));
    const store = await openOn(disk);
    await store.adopt({ cluster: "c1", group: "g", number: 9 });
    await store.close();
    await repairLog(disk, keptIn);
    disk.place(dbfile, disk.contents(keptIn) ?? assert.fail());
    const repaired = await openOn(disk);
    assert.deepEqual(await contentsOf(repaired), contentsAfter(records));
    await repaired.close();
  });

  it("is there whole, or the new one is, when the machine crashes at any change of the disk", async () => {
    for (const share of [0, 0.5, 1]) {
      for (let limit = 0, crashed = true; crashed; limit++) {
        const { disk, bytes } = await withoutHeader((found) => found.writeUInt8(0, 0));
        crashed = false;
        let count = 0;
        const store = await openOn(disk, { onFatal: () => {} });
        disk.intercept = ({ kind }) => {
          if (crashed || kind === "read" || kind === "open" || count++ < limit) return;
          crashed = true;
          disk.crash(() => share);
        };
        await store
          .adopt({ cluster: "c1", group: "g", number: 9 })
          .catch((error: unknown) => assert.ok(crashed, String(error)));
        disk.intercept = undefined;
        if (!crashed) await store.close();
        const again = await openOn(disk);
        const isNew = again.identity?.number === 9;
        assert.deepEqual(disk.contents(isNew ? keptIn : dbfile), bytes, `change ${limit}, ${share}`);
        assert.equal(again.condition.kind, isNew ? "intact" : "damaged");
        await again.close();
      }
    }
  });

  it("stays as it is when there is no room for another", async () => {
    const { disk, bytes } = await withoutHeader((found) => found.writeUInt8(0, 0));
    const store = await openOn(disk);
    disk.intercept = ({ kind, path }) => {
      if (kind === "write") throw systemError("ENOSPC", path);
    };
    await assert.rejects(store.adopt({ cluster: "c1", group: "g", number: 9 }), /ENOSPC/);
    disk.intercept = undefined;
    assert.deepEqual(disk.contents(dbfile), bytes);
    await store.adopt({ cluster: "c1", group: "g", number: 9 });
    assert.equal(store.condition.kind, "intact");
    await store.close();
  });
});

it("a log with a good header is never set aside, whatever else is damaged in it", async () => {
  const { disk, bytes } = await withLog();
  disk.flip(dbfile, bytes.length - 200, 1);
  const store = await openOn(disk);
  assert.equal(store.condition.kind, "damaged");
  await assert.rejects(store.adopt({ cluster: "c1", group: "g", number: 9 }), /is damaged/);
  assert.equal(disk.contents(keptIn), undefined);
  await store.close();
});
