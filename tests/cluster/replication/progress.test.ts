import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, Progress } from "../../../src/cluster/replication/progress.ts";

const sent = { monotonicMs: 10, wallMs: 10 };

function answer(given: Partial<Answer>): Answer {
  return { sent, isOk: true, seq: 5, hadRecords: true, ...given };
}

test("a standby is probed, then replicated to", () => {
  const progress = new Progress();
  assert.equal(progress.state.kind, "probe");
  progress.matched(3);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 3, sentSeq: 3 });
  progress.answered(answer({ seq: 5 }), 20, 5);
  assert.equal(progress.ackedSeq, 5);
  assert.equal(progress.ackedSent, sent);
  progress.lost();
  assert.equal(progress.state.kind, "probe");
});

test("a chunk of a snapshot acknowledges nothing before the last one", () => {
  const progress = new Progress();
  progress.snapshot(0, 9);
  progress.answered(answer({ seq: 9, snapshot: "chunk" }), 20, 9);
  assert.equal(progress.ackedSeq, 0);
  progress.answered(answer({ seq: 9, snapshot: "last" }), 20, 9);
  progress.matched(9);
  assert.equal(progress.ackedSeq, 9);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 9, sentSeq: 9 });
});

test("a full disk pauses, for longer each time, until records find room again", () => {
  const progress = new Progress();
  progress.matched(4);
  progress.full(1000);
  assert.deepEqual(progress.state, { kind: "paused", matchedSeq: 4, untilMs: 1500 });
  assert.equal(progress.resume(1499), false);
  assert.equal(progress.resume(1500), true);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 4, sentSeq: 4 });
  progress.full(2000);
  assert.deepEqual(progress.state, { kind: "paused", matchedSeq: 4, untilMs: 3000 });
  assert.equal(progress.isFull, true);
  assert.equal(progress.resume(3000), true);
  progress.answered(answer({}), 3000, 5);
  assert.equal(progress.isFull, false);
});

test("a standby that is lost during a pause stays paused, and is probed after it", () => {
  const progress = new Progress();
  progress.matched(4);
  progress.full(0);
  progress.lost();
  assert.equal(progress.state.kind, "paused");
  assert.equal(progress.resume(500), true);
  assert.equal(progress.state.kind, "probe");
});

test("records are sent ahead of what is known to match, and again after a pause or a probe", () => {
  const progress = new Progress();
  progress.matched(3);
  progress.sent(5);
  progress.sent(8);
  progress.matched(5);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 5, sentSeq: 8 });
  progress.full(1000);
  assert.equal(progress.resume(1500), true);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 5, sentSeq: 5 });
  progress.sent(8);
  progress.lost();
  assert.throws(() => progress.sent(9), { name: "InvariantError" });
  progress.matched(6);
  assert.deepEqual(progress.state, { kind: "replicate", matchedSeq: 6, sentSeq: 6 });
});

test("answers in another order than their messages take nothing back", () => {
  const progress = new Progress();
  progress.matched(3);
  progress.answered(answer({ seq: 8, sent: { monotonicMs: 30, wallMs: 30 } }), 40, 9);
  progress.answered(answer({ seq: 5, sent: { monotonicMs: 20, wallMs: 20 } }), 41, 9);
  assert.equal(progress.ackedSeq, 8);
  assert.equal(progress.ackedSent?.monotonicMs, 30);
});

test("a snapshot takes the place of all that was acknowledged before", () => {
  const progress = new Progress();
  progress.answered(answer({ seq: 8 }), 20, 9);
  progress.snapshot(0, 7);
  progress.answered(answer({ seq: 7, snapshot: "last" }), 30, 9);
  assert.equal(progress.ackedSeq, 7);
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
  paused.full(0);
  assert.throws(() => paused.snapshot(0, 9), { name: "InvariantError" });
  assert.throws(() => new Progress().answered(answer({ seq: 6 }), 0, 5), { name: "InvariantError" });
});
