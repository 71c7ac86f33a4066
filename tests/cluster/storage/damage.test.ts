import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { contentsOf, dbfile, openOn, put, rbfile } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { contentsOfPieces, sample } from "./damage-samples.ts";

async function openBytes(bytes: Buffer): Promise<LogStore> {
  const disk = new SimulatedDisk();
  disk.place(dbfile, bytes);
  return openOn(disk);
}

describe("a damaged log", () => {
  async function damaged() {
    const { bytes, pieces } = await sample("plain");
    const flipped = Buffer.from(bytes);
    const place = pieces[40]?.start ?? 0;
    flipped[place] = 0;
    const disk = new SimulatedDisk();
    disk.place(dbfile, flipped);
    return { disk, store: await openOn(disk), flipped };
  }

  it("names the line", async () => {
    const { store } = await damaged();
    const { condition } = store;
    assert.equal(condition.kind, "damaged");
    // The header is one line, each of the 39 records before it three.
    assert.equal(condition.kind === "damaged" && condition.line, 1 + 39 * 3 + 1);
    await store.close();
  });

  it("refuses everything that would change it, and can be read up to the damage", async () => {
    const { store, disk, flipped } = await damaged();
    assert.equal(store.last.seq, 39);
    for (const refused of [
      store.append([put(3, 40, "a", "b")]),
      store.truncate(3),
      store.compact(),
      store.openSnapshot(),
    ]) {
      await assert.rejects(refused, /is damaged at line 119/);
    }
    const records = await store.read(30, 1_000_000);
    assert.deepEqual(
      records?.map(({ seq }) => seq),
      [31, 32, 33, 34, 35, 36, 37, 38, 39],
    );
    await store.close();
    assert.deepEqual(disk.contents(dbfile), flipped);
  });

  it("still keeps a promise of an epoch durably, even behind an unfinished end", async () => {
    const { store: whole, disk } = await damaged();
    await whole.close();
    disk.place(dbfile, disk.contents(dbfile)?.subarray(0, -1) ?? assert.fail());
    const store = await openOn(disk);
    await store.promise(9);
    await store.close();
    disk.crash(() => 0);
    const again = await openOn(disk);
    assert.equal(again.condition.kind, "damaged");
    assert.equal(again.promisedEpoch, 9);
    await again.close();
  });

  it("is whole again once a copy has replaced it", async () => {
    const { store, disk } = await damaged();
    const copy = await store.beginSnapshot({
      base: { epoch: 3, seq: 300 },
      epochs: [{ epoch: 3, firstSeq: 200 }],
      requestsAfter: 0,
    });
    await copy.write([put(3, 250, "a", "b")]);
    await copy.finish();
    assert.deepEqual(store.condition, { kind: "intact" });
    await store.append([put(3, 301, "c", "d")]);
    await store.close();
    const again = await openOn(disk);
    assert.deepEqual(again.condition, { kind: "intact" });
    assert.deepEqual(
      await contentsOf(again),
      new Map([
        ["a", "b"],
        ["c", "d"],
      ]),
    );
    assert.equal(again.identity?.number, 1);
    assert.equal(again.promisedEpoch, 7);
    await again.close();
  });

  it("is one in which a record is missing between good ones", async () => {
    const { bytes, pieces } = await sample("plain");
    const missing = pieces[40] ?? assert.fail();
    const store = await openBytes(
      Buffer.concat([bytes.subarray(0, missing.start), bytes.subarray(missing.end)]),
    );
    assert.deepEqual(store.condition, {
      kind: "damaged",
      line: 119,
      reason: "records 40 to 40 are missing",
    });
    assert.deepEqual(await contentsOf(store), contentsOfPieces(pieces.slice(0, 40)));
    await store.close();
  });

  it("is one whose snapshot part has lost records or its end", async () => {
    const { bytes, pieces, wholeUpTo } = await sample("compacted");
    const lost = pieces[3] ?? assert.fail();
    const withoutRecord = Buffer.concat([bytes.subarray(0, lost.start), bytes.subarray(lost.end)]);
    const base = pieces.find(({ end }) => end === wholeUpTo) ?? assert.fail();
    const withoutEnd = Buffer.concat([bytes.subarray(0, base.start), bytes.subarray(base.end)]);
    for (const changed of [withoutRecord, withoutEnd]) {
      const store = await openBytes(changed);
      assert.equal(store.condition.kind, "damaged");
      await store.close();
    }
  });
});

it("a leftover of an unfinished rewriting is removed", async () => {
  const { bytes, pieces } = await sample("plain");
  const disk = new SimulatedDisk();
  disk.place(dbfile, bytes);
  disk.place(rbfile, bytes.subarray(0, 100));
  const store = await openOn(disk);
  assert.deepEqual(await contentsOf(store), contentsOfPieces(pieces));
  assert.equal(disk.contents(rbfile), undefined);
  await store.close();
});

it("a whole rewritten log becomes the log when that is not there", async () => {
  const { bytes, pieces } = await sample("compacted");
  const disk = new SimulatedDisk();
  disk.place(rbfile, bytes);
  const store = await openOn(disk);
  assert.deepEqual(await contentsOf(store), contentsOfPieces(pieces));
  await store.close();
  assert.deepEqual(disk.paths(), [dbfile]);
});

it("a rewritten log that is not whole is neither used nor removed", async () => {
  const { bytes, wholeUpTo } = await sample("compacted");
  for (const length of [10, wholeUpTo - 1, bytes.length - 1]) {
    const disk = new SimulatedDisk();
    disk.place(rbfile, bytes.subarray(0, length));
    await assert.rejects(openOn(disk), /rollback\.txt: is (not whole|no log)/);
    assert.equal(disk.contents(rbfile)?.length, length);
    assert.equal(disk.contents(dbfile), undefined);
  }
});
