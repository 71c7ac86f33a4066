import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KeyIndex } from "../../../../src/cluster/storage/index/key-index.ts";
import { KeyOrderSet } from "../../../../src/cluster/storage/index/key-order-set.ts";
import { boundsOf, isWithin } from "../../../../src/cluster/storage/index/key-range.ts";
import { KeyTable } from "../../../../src/cluster/storage/index/key-table.ts";
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

const nowhere = { seq: 1, copiedRevision: 0, offset: 0, bytes: 1 };

/** The keys of a log, as they are found in it; with the times when they expire. */
function tableOf(
  keys: Iterable<string>,
  expiryOf: (key: string) => number | undefined = () => undefined,
): KeyTable {
  const index = new KeyIndex();
  for (const key of keys) index.set(key, nowhere, expiryOf(key));
  return new KeyTable(index);
}

function add(table: KeyTable, key: string, expiresMs?: number): void {
  table.apply({ kind: "put", key, expiresMs, text: false, previous: 0 }, nowhere);
}

function remove(table: KeyTable, key: string): void {
  table.apply({ kind: "delete", key, text: false, previous: 0 }, nowhere);
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
        const table = tableOf(model);
        const { order } = table;
        for (const { isAdded, key } of steps) {
          if (isAdded) model.add(key);
          else model.delete(key);
          if (isAdded) add(table, key);
          else remove(table, key);
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
    const step = fc.record({ key, expiresMs: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }) });
    fc.assert(
      fc.property(fc.array(step), fc.array(step, { size: "+1" }), key, (first, steps, from) => {
        const model = new Map(first.map(({ key, expiresMs }) => [key, expiresMs]));
        const table = tableOf(model.keys(), (key) => model.get(key));
        for (const [index, { key, expiresMs }] of steps.entries()) {
          if (index % 3 === 0 && model.delete(key)) {
            remove(table, key);
            continue;
          }
          model.set(key, expiresMs);
          add(table, key, expiresMs);
          if (index % 10 > 0) continue;
          const nowMs = index % 9;
          const due = sorted(model.keys()).filter((key) => (model.get(key) ?? 10) <= nowMs);
          assert.deepEqual([...table.order.due(nowMs, "")], due);
          const above = due.filter((other) => byBytes(other, from) >= 0);
          assert.deepEqual([...table.order.due(nowMs, from)], above);
        }
      }),
    );
  });

  it("looks for due keys only where some may be", () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => String(index).padStart(6, "0"));
    let looks = 0;
    const items = {
      comparing: (key: string) => (item: string) => compareKeys(item, key),
      keyOf: (item: string) => item,
      expiresMsOf(item: string) {
        looks++;
        return item < "001000" ? 1 : 2;
      },
    };
    const order = new KeyOrderSet(items, keys);
    looks = 0;
    assert.deepEqual([...order.due(1, "")], keys.slice(0, 1000));
    assert.ok(looks < 5000, `${looks} keys were looked at`);
  });

  it("holds over many blocks, which grow, split, shrink and join", () => {
    const random = seededRandom(7);
    const model = new Set<string>();
    const table = tableOf([]);
    const check = () => assert.deepEqual([...table.order.ascending("", true)], sorted(model));
    for (const limit of [5000, 300, 8000, 0]) {
      while (model.size !== limit) {
        const key = `key ${Math.floor(random() * 10_000)}`;
        if (model.size < limit) {
          model.add(key);
          add(table, key);
        } else {
          // Whole stretches at a time, so that blocks become empty.
          for (const other of model.size < 500
            ? [...model]
            : [...model].filter((found) => found > key).slice(0, 50)) {
            if (model.size === limit) break;
            model.delete(other);
            remove(table, other);
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
