import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import { CommitQueue } from "../../../src/cluster/replication/commit-queue.ts";

const never = new AbortController().signal;
const full = new OperationError("exhausted", "the disk is full");

test("a request that waits for an earlier record is not refused with those behind it that are withdrawn", async () => {
  const queue = new CommitQueue();
  const withdrawn = assert.rejects(queue.wait(7, 10, never), full);
  const repeated = queue.wait(5, 0, never);
  queue.withdrawn(6, full);
  await withdrawn;
  queue.committed(5);
  await repeated;
});

test("bytes count as pending until their record is settled, also when its caller has gone", async () => {
  const queue = new CommitQueue();
  const caller = new AbortController();
  const gone = assert.rejects(queue.wait(1, 100, caller.signal), { code: "outcome-unknown" });
  caller.abort();
  await gone;
  assert.equal(queue.bytes, 100);
  queue.committed(1);
  assert.equal(queue.bytes, 0);
});

test("calls that end with the same signal all learn of it, but for those that were settled before", async () => {
  const queue = new CommitQueue();
  const caller = new AbortController();
  const first = queue.wait(1, 10, caller.signal);
  const others = [2, 3].map((seq) =>
    assert.rejects(queue.wait(seq, 10, caller.signal), { code: "outcome-unknown" }),
  );
  queue.committed(1);
  await first;
  caller.abort();
  await Promise.all(others);
  await assert.rejects(queue.wait(3, 0, caller.signal), { code: "outcome-unknown" });
  queue.committed(3);
  assert.equal(queue.bytes, 0);
});

test("who waits when the queue ends is told that the outcome is unknown", async () => {
  const queue = new CommitQueue();
  const waiting = assert.rejects(queue.wait(1, 1, never), { code: "outcome-unknown" });
  queue.end("the primary has been replaced");
  await waiting;
});
