import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KeyOrderSet } from "../../../../src/cluster/storage/index/key-order-set.ts";
import { boundsOf, isWithin } from "../../../../src/cluster/storage/index/key-range.ts";
import { compareKeys } from "../../../../src/common/key-order.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

/** Keys that differ in all ways that matter to the order: in length, and around the surrogates. */
const key = fc.oneof(
  fc.string({
    unit: fc.constantFrom("", "a", "b", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}"),
    maxLength: 4,
  }),
  fc.integer({ min: 0, max: 3000 }).map(String),
);

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function sorted(keys: Iterable<string>): string[] {
  return [...new Set(keys)].sort(byBytes);
}

describe("the order of keys", () => {
  it("is that of their UTF-8 bytes", () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        assert.equal(Math.sign(compareKeys(a, b)), Math.sign(byBytes(a, b)));
      }),
    );
  });

  it("stays that of a sorted list over any additions and deletions", () => {
    const step = fc.record({ isAdded: fc.boolean(), key });
    fc.assert(
      fc.property(fc.array(key), fc.array(step, { size: "+1" }), key, (first, steps, from) => {
        const model = new Set(first);
        const order = KeyOrderSet.of(model);
        for (const { isAdded, key } of steps) {
          if (isAdded) model.add(key);
          else model.delete(key);
          if (isAdded) order.add(key);
          else order.delete(key);
        }
        const all = sorted(model);
        assert.deepEqual([...order.ascending("", true)], all);
        assert.deepEqual([...order.descending(undefined)], all.toReversed());
        const above = all.filter((other) => byBytes(other, from) > 0);
        assert.deepEqual([...order.ascending(from, false)], above);
        const below = all.filter((other) => byBytes(other, from) < 0);
        assert.deepEqual([...order.descending(from)], below.toReversed());
      }),
    );
  });

  it("tells which keys are due, whatever has been added, changed and deleted", () => {
    const step = fc.record({ key, expiresMs: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }) });
    fc.assert(
      fc.property(fc.array(step), fc.array(step, { size: "+1" }), key, (first, steps, from) => {
        const model = new Map(first.map(({ key, expiresMs }) => [key, expiresMs]));
        const expiryOf = (key: string) => model.get(key);
        const order = KeyOrderSet.of(model.keys(), expiryOf);
        for (const [index, { key, expiresMs }] of steps.entries()) {
          if (index % 3 === 0 && model.delete(key)) {
            order.delete(key);
            continue;
          }
          model.set(key, expiresMs);
          order.add(key, expiresMs);
          if (index % 10 > 0) continue;
          const nowMs = index % 9;
          const due = sorted(model.keys()).filter((key) => (model.get(key) ?? 10) <= nowMs);
          assert.deepEqual([...order.due(nowMs, "", expiryOf)], due);
          const above = due.filter((other) => byBytes(other, from) >= 0);
          assert.deepEqual([...order.due(nowMs, from, expiryOf)], above);
        }
      }),
    );
  });

  it("looks for due keys only where some may be", () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => String(index).padStart(6, "0"));
    const expiries = new Map(keys.map((key, index) => [key, index < 1000 ? 1 : 2]));
    let looks = 0;
    const expiryOf = (key: string) => {
      looks++;
      return expiries.get(key);
    };
    const order = KeyOrderSet.of(keys, expiryOf);
    looks = 0;
    assert.deepEqual([...order.due(1, "", expiryOf)], keys.slice(0, 1000));
    assert.ok(looks < 5000, `${looks} keys were looked at`);
  });

  it("holds over many blocks, which grow, split, shrink and join", () => {
    const random = seededRandom(7);
    const model = new Set<string>();
    const order = KeyOrderSet.of([]);
    const check = () => assert.deepEqual([...order.ascending("", true)], sorted(model));
    for (const limit of [5000, 300, 8000, 0]) {
      while (model.size !== limit) {
        const key = `key ${Math.floor(random() * 10_000)}`;
        if (model.size < limit) {
          model.add(key);
          order.add(key);
        } else {
          // Whole stretches at a time, so that blocks become empty.
          for (const other of model.size < 500
            ? [...model]
            : [...model].filter((found) => found > key).slice(0, 50)) {
            if (model.size === limit) break;
            model.delete(other);
            order.delete(other);
          }
        }
      }
      check();
    }
  });
});

describe("a range", () => {
  it("holds the keys that satisfy all that is set", () => {
    const optional = fc.option(key, { nil: undefined });
    fc.assert(
      fc.property(
        fc.array(key),
        fc.record({
          prefix: optional,
          start: optional,
          end: optional,
          after: optional,
          reverse: fc.boolean(),
        }),
        (keys, range) => {
          const { prefix = "", start = "", end, after, reverse } = range;
          const expected = keys.filter((other) => {
            const fromAfter = after === undefined ? 1 : byBytes(other, after) * (reverse ? -1 : 1);
            const isBeforeEnd = end === undefined || byBytes(other, end) < 0;
            return other.startsWith(prefix) && byBytes(other, start) >= 0 && isBeforeEnd && fromAfter > 0;
          });
          const bounds = boundsOf(range);
          assert.deepEqual(
            keys.filter((other) => isWithin(other, bounds)),
            expected,
          );
        },
      ),
    );
  });
});
