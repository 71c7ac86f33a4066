import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogStoreError } from "../../../src/cluster/storage/errors.ts";
import { MoveHistory } from "../../../src/cluster/storage/move-history.ts";
import { type LoadedPositions, Positions } from "../../../src/cluster/storage/positions.ts";
import { InvariantError } from "../../../src/common/invariant.ts";
import { epochRecord, openOn, put } from "../../support/log-fixtures.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

const loaded: LoadedPositions = {
  base: { epoch: 1, seq: 2 },
  last: { epoch: 3, seq: 6 },
  epochs: [
    { epoch: 1, firstSeq: 1 },
    { epoch: 3, firstSeq: 5 },
  ],
  moves: MoveHistory.none,
  promisedEpoch: 4,
};

/** Six records on disk, of which two are compacted; the seventh is in memory. */
function someOf(): Positions {
  const positions = new Positions();
  positions.replaced(loaded);
  positions.appended(epochRecord(4, 7));
  return positions;
}

describe("positions", () => {
  it("are those of the file that was loaded", () => {
    const positions = new Positions();
    positions.replaced(loaded);
    const { base, last, durable, written, visible, committedSeq, promisedEpoch, promisedOnDisk } = positions;
    assert.deepEqual([durable, written, visible, last], Array(4).fill(loaded.last));
    assert.deepEqual([base, committedSeq, promisedEpoch, promisedOnDisk], [loaded.base, 2, 4, 4]);
  });

  it("follow a record from memory to the file, to the disk and to the readers", () => {
    const positions = someOf();
    assert.deepEqual([positions.last, positions.written.seq], [{ epoch: 4, seq: 7 }, 6]);
    positions.wrote(positions.last);
    assert.deepEqual([positions.written.seq, positions.durable.seq], [7, 6]);
    positions.committed(7);
    assert.equal(positions.readySeq, 6);
    positions.synced(positions.last);
    assert.deepEqual([positions.durable.seq, positions.readySeq, positions.visible.seq], [7, 7, 6]);
    positions.shown(7);
    assert.deepEqual(positions.visible, { epoch: 4, seq: 7 });
  });

  it("tell the last record that may be more than a mark", () => {
    const positions = someOf();
    const release = { kind: "release", change: 3, to: "h" } as const;
    assert.equal(positions.changedSeq, 6, "what was found is not known");
    positions.appended(put(4, 8, "a", "1"));
    positions.appended({ epoch: 4, seq: 9, changes: [], move: release });
    positions.appended({ ...put(4, 10, "b", "1"), move: { kind: "copy", revision: 3 } });
    assert.equal(positions.changedSeq, 8);
    positions.appended({ epoch: 4, seq: 11, changes: [], requestId: "r" });
    assert.equal(positions.changedSeq, 11);
    positions.withdrawn(9);
    assert.equal(positions.changedSeq, 9);
  });

  it("forget the epoch that a withdrawn record had begun, but not its promise", () => {
    const positions = someOf();
    positions.withdrawn(6);
    assert.deepEqual(
      [positions.last, positions.epochs, positions.promisedEpoch],
      [loaded.last, loaded.epochs, 4],
    );
  });

  it("count what is compacted as committed", () => {
    const positions = someOf();
    positions.compacted({ epoch: 3, seq: 6 });
    assert.deepEqual([positions.base.seq, positions.committedSeq], [6, 6]);
  });

  it("begin anew with another log, and keep what was promised", () => {
    const positions = someOf();
    positions.committed(6);
    const zero = { epoch: 0, seq: 0 };
    positions.replaced({ base: zero, last: zero, epochs: [], moves: MoveHistory.none, promisedEpoch: 2 });
    const { last, committedSeq, visible, promisedEpoch, promisedOnDisk } = positions;
    assert.deepEqual([last, committedSeq, visible, promisedEpoch, promisedOnDisk], [zero, 0, zero, 4, 2]);
  });

  const broken: readonly [string, (positions: Positions) => void][] = [
    ["a gap", (positions) => positions.appended(epochRecord(4, 9))],
    ["a record of an earlier epoch", (positions) => positions.appended(epochRecord(3, 8))],
    ["a sync of what was not written", (positions) => positions.synced({ epoch: 4, seq: 7 })],
    ["a write of what was not appended", (positions) => positions.wrote({ epoch: 4, seq: 8 })],
    ["a commit of what is not there", (positions) => positions.committed(8)],
    ["a visible record that is not committed", (positions) => positions.shown(7)],
    ["a promise on disk that nobody has made", (positions) => positions.promiseSynced(5)],
    ["a withdrawal of what is in the file", (positions) => positions.withdrawn(5)],
    [
      "a withdrawal of what is committed",
      (positions) => {
        positions.committed(7);
        positions.withdrawn(6);
      },
    ],
    [
      "a cut of what is committed",
      (positions) => {
        positions.committed(6);
        positions.truncated({ ...loaded, last: { epoch: 3, seq: 5 } }, 5);
      },
    ],
    ["a base that moves back", (positions) => positions.compacted({ epoch: 1, seq: 1 })],
    ["a base behind what is visible", (positions) => positions.compacted({ epoch: 4, seq: 7 })],
  ];
  for (const [name, move] of broken) {
    it(`refuse ${name}`, () => {
      assert.throws(() => move(someOf()), InvariantError);
    });
  }
});

describe("a broken invariant", () => {
  it("ends the process, and the log takes nothing more", async () => {
    const fatal: LogStoreError[] = [];
    const store = await openOn(new SimulatedDisk(), { onFatal: (error) => fatal.push(error) });
    await store.append([put(1, 1, "a", "1")]);
    assert.throws(() => store.commit(2), /a record is committed that the log does not have/);
    assert.equal(fatal.length, 1);
    assert.ok(fatal[0]?.cause instanceof InvariantError);
    await assert.rejects(store.append([put(1, 2, "a", "2")]), { code: "failed" });
  });
});
