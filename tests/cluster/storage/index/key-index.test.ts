import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeKey } from "../../../../src/cluster/storage/index/key-bytes.ts";
import { hashKey } from "../../../../src/cluster/storage/index/key-hash.ts";
import { KeyIndex } from "../../../../src/cluster/storage/index/key-index.ts";

/** Keys of many lengths, some of them longer than what usually holds many. */
const key = fc.oneof(
  { weight: 20, arbitrary: fc.string({ unit: "grapheme", maxLength: 12 }) },
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 300 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom(100, 1000, 70_000).map((length) => "x".repeat(length)) },
);

const place = fc.record({
  seq: fc.integer({ min: 1, max: 2 ** 52 }),
  copiedRevision: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 52 })),
  offset: fc.integer({ min: 0, max: 2 ** 52 }),
  bytes: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  expiresMs: fc.option(fc.integer({ min: 1, max: 2 ** 52 }), { nil: undefined }),
});

const somewhere = { seq: 1, copiedRevision: 0, offset: 0, bytes: 1 };

describe("the index of keys", () => {
  it("knows what a map knows, whatever is set and deleted, and however many keys were expected", () => {
    const step = fc.record({ key, place: fc.option(place, { nil: undefined }) });
    const expected = fc.constantFrom(0, 1, 10_000);
    fc.assert(
      fc.property(fc.array(step, { size: "+1" }), expected, (steps, expected) => {
        const model = new Map<string, object>();
        const index = new KeyIndex(expected);
        for (const { key, place } of steps) {
          if (place === undefined) assert.equal(index.delete(key), model.delete(key));
          else {
            assert.equal(index.set(key, place, place.expiresMs) === undefined, model.has(key));
            model.set(key, { ...place });
          }
          assert.equal(index.size, model.size);
        }
        for (const { key } of steps) assert.deepEqual(index.placeOf(key), model.get(key));
        assert.deepEqual(new Set(index.keys()), new Set(model.keys()));
        const inOrder = index.sorted().map((slot) => index.keyOf(slot));
        const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
        assert.deepEqual(inOrder, [...model.keys()].sort(byBytes));
      }),
      { numRuns: 50 },
    );
  });

  it("knows after a move what it knew before, whatever is set and deleted while that is prepared", () => {
    const index = new KeyIndex();
    const nameOf = (n: number) => `key ${n}`;
    for (let n = 0; n < 20_000; n++) index.set(nameOf(n), { ...somewhere, seq: n, offset: n }, undefined);
    const move = index.beginMove();
    let steps = 0;
    while (!move.prepare()) {
      // Where it has been, and where it comes yet.
      for (const n of [steps, 15_000 + steps]) {
        index.set(nameOf(n), { ...somewhere, seq: 30_000, offset: 30_000, bytes: 50 }, undefined);
        index.delete(nameOf(n + 10));
        index.set(`new ${n}`, { ...somewhere, seq: 30_001, offset: 30_001 }, undefined);
      }
      steps++;
    }
    assert.ok(steps > 1, `${steps} steps`);
    const before = [...index.keys()].map((key) => index.placeOf(key));
    const { liveBytes } = index;
    move.finish(0, 0);
    const after = [...index.keys()].map((key) => index.placeOf(key));
    assert.deepEqual(after, before);
    assert.equal(index.liveBytes, liveBytes);
  });

  it("gives the room of what was deleted to what comes, so that it does not grow by changes", () => {
    const index = new KeyIndex();
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 2000; n++) index.set(`${round % 2} ${n}`.padEnd(100), somewhere, undefined);
      for (let n = 0; n < 2000; n++) index.delete(`${round % 2} ${n}`.padEnd(100));
    }
    assert.equal(index.size, 0);
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 3 * 1024 * 1024, `${grown} bytes`);
  });

  it("spreads keys that differ little, by a seed", () => {
    const buckets = new Uint32Array(1024);
    const seeds = [
      [1, 2],
      [3, 2],
    ] as const;
    for (const seed of seeds) {
      buckets.fill(0);
      for (let n = 0; n < 1024 * 50; n++) {
        const at = hashKey(encodeKey(`user:${n}`), seed) & 1023;
        buckets[at] = (buckets[at] ?? 0) + 1;
      }
      assert.ok(Math.max(...buckets) < 100 && Math.min(...buckets) > 15);
    }
    const [a, b] = seeds.map((seed) => hashKey(encodeKey("user:1"), seed));
    assert.notEqual(a, b);
  });
});
