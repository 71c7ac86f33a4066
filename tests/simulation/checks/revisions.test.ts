// runtimes: bun
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupOf, put } from "./by-hand.ts";
import { ownRevision, recordOf, revisionAt, seqAt } from "./revisions.ts";

describe("the revisions of a log that has accepted keys", () => {
  const log = groupOf([put("k", "a")], [put("l", "b")], [], [put("k", "c", 1)]);
  log.committed[1] = { epoch: 1, seq: 2, changes: [put("l", "b")], move: { kind: "copy", revision: 7 } };
  const accept = { kind: "accept", change: 3, from: "h", revision: 7, ahead: 5, requestsAfter: 0 } as const;
  const accepted = { epoch: 1, seq: 3, changes: [], move: accept };
  log.committed[2] = accepted;
  log.raise(accepted);

  it("are ahead of its records from there on, and copies keep theirs", () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((seq) => [ownRevision(log, seq), revisionAt(log, seq)]),
      [
        [1, 1],
        [2, 7],
        [8, 8],
        [9, 9],
      ],
    );
  });

  it("lead back to the last record that has no higher one", () => {
    assert.deepEqual(
      [0, 1, 2, 7, 8, 9, 10].map((revision) => seqAt(log, revision)),
      [0, 1, 2, 2, 3, 4, 5],
    );
    assert.equal(recordOf(log, 9)?.seq, 4);
    assert.equal(recordOf(log, 7), undefined);
  });
});
