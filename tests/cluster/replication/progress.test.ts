import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, Progress } from "../../../src/cluster/replication/progress.ts";

const sent = { monotonicMs: 10, wallMs: 10 };

function answer(given: Partial<Answer>): Answer {
  return { sent, result: "ok", seq: 5, hadRecords: true, counts: true, ...given };
}

test("a standby is probed, then replicated to", () => {
  const progress = new Progress();
  assert.equal(progress.state.kind, "probe");
  progress.matched(3);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 3 });
  progress.answered(answer({ seq: 5 }), 20, 5);
  assert.equal(progress.ackedSeq, 5);
  assert.equal(progress.ackedSent, sent);
  progress.lost();
  assert.equal(progress.state.kind, "probe");
});

test("a chunk of a snapshot acknowledges nothing before the last one", () => {
  const progress = new Progress();
  progress.snapshot(0, 9);
  progress.answered(answer({ seq: 9, counts: false }), 20, 9);
  assert.equal(progress.ackedSeq, 0);
  progress.answered(answer({ seq: 9 }), 20, 9);
  progress.matched(9);
  assert.equal(progress.ackedSeq, 9);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 9 });
});

test("a full disk pauses, for longer each time, until records find room again", () => {
  const progress = new Progress();
  progress.matched(4);
  progress.answered(answer({ result: "full" }), 1000, 5);
  assert.deepEqual(progress.state, { kind: "paused", matchedSeq: 4, untilMs: 1500 });
  assert.equal(progress.resume(1499), false);
  assert.equal(progress.resume(1500), true);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 4 });
  progress.answered(answer({ result: "full" }), 2000, 5);
  assert.deepEqual(progress.state, { kind: "paused", matchedSeq: 4, untilMs: 3000 });
  assert.equal(progress.isFull, true);
  assert.equal(progress.resume(3000), true);
  progress.answered(answer({}), 3000, 5);
  assert.equal(progress.isFull, false);
});

test("a standby that is lost during a pause stays paused, and is probed after it", () => {
  const progress = new Progress();
  progress.matched(4);
  progress.answered(answer({ result: "full" }), 0, 5);
  progress.lost();
  assert.equal(progress.state.kind, "paused");
  assert.equal(progress.resume(500), true);
  assert.equal(progress.state.kind, "probe");
});

test("a heartbeat shows that a standby answers, not that its disk keeps up", () => {
  const progress = new Progress();
  progress.matched(4);
  progress.answered(answer({ seq: 4, hadRecords: false }), 20, 5);
  assert.equal(progress.ackedSent, sent);
  assert.equal(progress.progressMs, undefined);
  progress.answered(answer({ seq: 5, hadRecords: false }), 30, 5);
  assert.equal(progress.progressMs, 30);
});

test("what no state may be followed by ends the process", () => {
  const paused = new Progress();
  paused.matched(4);
  paused.answered(answer({ result: "full" }), 0, 5);
  assert.throws(() => paused.snapshot(0, 9), { name: "InvariantError" });
  assert.throws(() => new Progress().answered(answer({ seq: 6 }), 0, 5), { name: "InvariantError" });
});
