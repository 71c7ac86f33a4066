import assert from "node:assert/strict";
import { test } from "node:test";
import { InvariantError } from "../../src/common/invariant.ts";
import { SerialQueue, type Turn } from "../../src/common/serial-queue.ts";

test("tasks run one after another, in the order of the calls", async () => {
  const queue = new SerialQueue();
  const first = Promise.withResolvers<void>();
  const order: string[] = [];
  const done = Promise.all([
    queue.run(async () => {
      order.push("first begins");
      await first.promise;
      order.push("first ends");
    }),
    queue.run(async () => {
      order.push("second");
    }),
  ]);
  first.resolve();
  await done;
  assert.deepEqual(order, ["first begins", "first ends", "second"]);
});

test("a failed task does not delay others", async () => {
  const queue = new SerialQueue();
  const failed = queue.run(() => Promise.reject(new Error("no")));
  assert.equal(await queue.run(async () => 1), 1);
  await assert.rejects(failed, /no/);
});

test("a turn is good for its own task and queue only", async () => {
  const queue = new SerialQueue();
  let kept: Turn | undefined;
  await queue.run(async (turn) => {
    queue.check(turn);
    kept = turn;
    await Promise.resolve();
    queue.check(turn);
    assert.throws(() => new SerialQueue().check(turn), InvariantError);
  });
  const old = kept;
  assert.ok(old !== undefined);
  assert.throws(() => queue.check(old), InvariantError);
  await queue.run(async () => assert.throws(() => queue.check(old), InvariantError));
});
