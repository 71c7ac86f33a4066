import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { repairLog } from "../../../src/cluster/storage/tools/index.ts";
import { contentsOf, dbfile, openOn, put, rbfile } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { contentsOfPieces, listed, type Piece, sample } from "./damage-samples.ts";

/** The last request before piece number `cut` is known, and none after it. */
function checkRequests(store: LogStore, pieces: readonly Piece[], cut: number): void {
  const hasRequest = ({ record }: Piece) => record?.requestId !== undefined;
  const before = pieces.slice(0, cut).findLast(hasRequest)?.record;
  const after = pieces.slice(cut).find(hasRequest)?.record;
  assert.equal(store.seqOfRequest(before?.requestId ?? ""), before?.seq);
  assert.equal(store.seqOfRequest(after?.requestId ?? ""), undefined);
}

async function openBytes(bytes: Buffer): Promise<{ store: LogStore; after: () => Buffer | undefined }> {
  const disk = new SimulatedDisk();
  disk.place(dbfile, bytes);
  return { store: await openOn(disk), after: () => disk.contents(dbfile) };
}

// Every byte of each log is damaged in one way: all bits here, a single one there.
const kinds = [
  { kind: "plain", mask: () => 0xff },
  { kind: "compacted", mask: (offset: number) => 1 << (offset % 8) },
  { kind: "mixed", mask: (offset: number) => 1 << (offset % 8) },
  { kind: "mixed and compacted", mask: () => 0xff },
] as const;
const timeout = 120_000;

for (const { kind, mask } of kinds) {
  describe(`a ${kind} log`, () => {
    it("has every record before the cut when it is cut at any byte", { timeout }, async () => {
      const { bytes, pieces, wholeUpTo, contentsUpTo } = await sample(kind);
      const headerEnd = pieces[0]?.end ?? 0;
      for (let length = 0; length < bytes.length; length++) {
        const cutOff = bytes.subarray(0, length);
        if (length > 0 && length < headerEnd) {
          await assert.rejects(openBytes(cutOff), /db\.txt: is no log/, `cut at ${length}`);
          continue;
        }
        const { store } = await openBytes(cutOff);
        const cut = pieces.findIndex(({ end }) => end > length);
        assert.equal(listed(await contentsOf(store)), contentsUpTo[cut], `cut at ${length}`);
        checkRequests(store, pieces, cut);
        const isWhole = length === pieces[cut]?.start;
        const expected = length > 0 && length < wholeUpTo ? "damaged" : isWhole ? "intact" : "torn";
        assert.equal(store.condition.kind, expected, `cut at ${length}`);
        await store.close();
      }
    });

    it("has every record before the damage, and no wrong one, when any byte is flipped", {
      timeout,
    }, async () => {
      const { bytes, pieces, contentsUpTo } = await sample(kind);
      const promise = pieces.findLast(({ record }) => record === undefined) ?? assert.fail();
      for (let offset = 0; offset < bytes.length; offset++) {
        const flipped = Buffer.from(bytes);
        flipped[offset] = (flipped[offset] ?? 0) ^ mask(offset);
        const { store, after } = await openBytes(flipped);
        const hit = pieces.findIndex(({ end }) => end > offset);
        assert.equal(listed(await contentsOf(store)), contentsUpTo[hit], `flip at ${offset}`);
        checkRequests(store, pieces, hit);
        assert.equal(store.condition.kind, "damaged", `flip at ${offset}`);
        const losesPromise = offset >= promise.start - 1 && offset < promise.end;
        if (!losesPromise) assert.equal(store.promisedEpoch, 7, `flip at ${offset}`);
        await store.close();
        assert.ok(after()?.equals(flipped), `flip at ${offset}`);
      }
    });

    it("loses no other record by a repair, whichever byte is flipped", { timeout }, async () => {
      const { bytes, pieces } = await sample(kind);
      for (let offset = 0; offset < bytes.length; offset += 13) {
        const disk = new SimulatedDisk();
        disk.place(dbfile, bytes);
        disk.flip(dbfile, offset, mask(offset));
        const hit = pieces.findIndex(({ end }) => end > offset);
        const report = await repairLog(disk, dbfile);
        assert.equal(report.repaired, true);
        // A line end belongs to what is before and after it.
        const lost = offset === (pieces[hit]?.end ?? 0) - 1 ? [hit, hit + 1] : [hit];
        const good = pieces.filter((_, index) => !lost.includes(index));
        const store = await openOn(disk);
        assert.equal(store.condition.kind, "intact");
        assert.equal(listed(await contentsOf(store)), listed(contentsOfPieces(good)), `flip at ${offset}`);
        await store.close();
      }
    });
  });
}

describe("a damaged log", () => {
  async function damaged() {
    const { bytes, pieces } = await sample("plain");
    const flipped = Buffer.from(bytes);
    const place = pieces[100]?.start ?? 0;
    flipped[place] = 0;
    const disk = new SimulatedDisk();
    disk.place(dbfile, flipped);
    return { disk, store: await openOn(disk), flipped };
  }

  it("names the line", async () => {
    const { store } = await damaged();
    const { condition } = store;
    assert.equal(condition.kind, "damaged");
    // The header is one line, each of the 99 records before it three.
    assert.equal(condition.kind === "damaged" && condition.line, 1 + 99 * 3 + 1);
    await store.close();
  });

  it("refuses everything that would change it, and can be read up to the damage", async () => {
    const { store, disk, flipped } = await damaged();
    assert.equal(store.last.seq, 99);
    for (const refused of [
      store.append([put(3, 100, "a", "b")]),
      store.truncate(3),
      store.compact(),
      store.openSnapshot(),
    ]) {
      await assert.rejects(refused, /is damaged at line 299/);
    }
    const records = await store.read(90, 1_000_000);
    assert.deepEqual(
      records?.map(({ seq }) => seq),
      [91, 92, 93, 94, 95, 96, 97, 98, 99],
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
    const missing = pieces[100] ?? assert.fail();
    const { store } = await openBytes(
      Buffer.concat([bytes.subarray(0, missing.start), bytes.subarray(missing.end)]),
    );
    assert.deepEqual(store.condition, {
      kind: "damaged",
      line: 299,
      reason: "records 100 to 100 are missing",
    });
    assert.deepEqual(await contentsOf(store), contentsOfPieces(pieces.slice(0, 100)));
    await store.close();
  });

  it("is one whose snapshot part has lost records or its end", async () => {
    const { bytes, pieces, wholeUpTo } = await sample("compacted");
    const lost = pieces[3] ?? assert.fail();
    const withoutRecord = Buffer.concat([bytes.subarray(0, lost.start), bytes.subarray(lost.end)]);
    const base = pieces.find(({ end }) => end === wholeUpTo) ?? assert.fail();
    const withoutEnd = Buffer.concat([bytes.subarray(0, base.start), bytes.subarray(base.end)]);
    for (const changed of [withoutRecord, withoutEnd]) {
      const { store } = await openBytes(changed);
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
