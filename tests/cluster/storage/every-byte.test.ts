// runtimes: bun
// Thirty thousand logs are opened, on a simulated disk: the log's own code decides, and nothing of a runtime. On every
// runtime some damaged logs are opened and repaired by the tests beside this.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { repairLog } from "../../../src/cluster/storage/tools/index.ts";
import { contentsOf, dbfile, openOn } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { contentsOfPieces, listed, type Piece, sample } from "./damage-samples.ts";

/** The last request before piece number `cut` is known, and none after it. */
function checkRequests(store: LogStore, pieces: readonly Piece[], cut: number): void {
  const hasRequest = ({ record }: Piece) => record?.requestId !== undefined;
  const before = pieces.slice(0, cut).findLast(hasRequest)?.record;
  const after = pieces.slice(cut).find(hasRequest)?.record;
  assert.equal(store.requestOf(before?.requestId ?? "")?.seq, before?.seq);
  assert.equal(store.requestOf(after?.requestId ?? "")?.seq, undefined);
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
