import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { ExpiryQueue } from "../../../src/cluster/log/expiry-queue.ts";
import { KeyIndex } from "../../../src/cluster/log/key-index.ts";

const step = fc.record({
  key: fc.integer({ min: 0, max: 20 }).map(String),
  /** Undefined: the key is deleted; 0: it gets a value that does not expire. */
  expiresMs: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
});

it("keys come up by their time, those overwritten or deleted since never", () => {
  fc.assert(
    fc.property(fc.array(step, { size: "+1" }), fc.integer({ min: 0, max: 60 }), (steps, nowMs) => {
      const index = new KeyIndex();
      const queue = new ExpiryQueue(index);
      const model = new Map<string, number>();
      for (const [seq, { key, expiresMs }] of steps.entries()) {
        model.delete(key);
        if (expiresMs === undefined) {
          index.delete(key);
        } else {
          index.set(key, { seq, offset: 0, bytes: 1 }, expiresMs || undefined);
          if (expiresMs > 0) model.set(key, expiresMs);
          if (expiresMs > 0) queue.add(key, seq, expiresMs);
        }
      }
      assert.equal(index.expiring, model.size);
      assert.equal(queue.nextMs, model.size === 0 ? undefined : Math.min(...model.values()));
      const due = [...model].filter(([, expiresMs]) => expiresMs <= nowMs);
      const found = queue.due(nowMs, 1000);
      assert.deepEqual(found.toSorted(), due.map(([key]) => key).toSorted());
      const times = found.map((key) => model.get(key) ?? 0);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      assert.deepEqual(queue.due(nowMs, 3).length, Math.min(3, due.length));
      assert.deepEqual(queue.due(nowMs, 1000).length, due.length);
    }),
  );
});

it("the queue stays small when the same keys are written over and over", () => {
  const index = new KeyIndex();
  let asked = 0;
  const counting = {
    seqOf: (key: string) => {
      asked++;
      return index.seqOf(key);
    },
    get expiring() {
      return index.expiring;
    },
  };
  const queue = new ExpiryQueue(counting);
  for (let seq = 1; seq <= 100_000; seq++) {
    const key = `key ${seq % 10}`;
    index.set(key, { seq, offset: 0, bytes: 1 }, seq);
    queue.add(key, seq, seq);
  }
  const clearing = asked;
  assert.ok(clearing < 200_000, `${clearing}`);
  assert.equal(queue.due(200_000, 1000).length, 10);
  assert.ok(asked - clearing < 2000, `${asked - clearing}`);
});
