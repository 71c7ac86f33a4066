// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../support/seeded-random.ts";
import { keyOf, keyPrefix, uniform, zipf } from "./keys.ts";

const draws = 200_000;

/** How often each index was drawn, the most popular first. */
function popularity(count: number, draw: () => number): number[] {
  const times = new Array<number>(count).fill(0);
  for (let index = 0; index < draws; index++) {
    const drawn = draw();
    assert.ok(Number.isInteger(drawn) && drawn >= 0 && drawn < count, `${drawn} is not below ${count}`);
    times[drawn] = (times[drawn] ?? 0) + 1;
  }
  return times.sort((a, b) => b - a);
}

test("keys of Zipf are as popular as their rank says", () => {
  const count = 1000;
  let zeta = 0;
  for (let rank = 1; rank <= count; rank++) zeta += rank ** -0.99;
  const times = popularity(count, zipf(count, seededRandom(1)));
  // The method is exact for the first two, and close for the others.
  for (const [rank, tolerance] of [
    [1, 0.03],
    [2, 0.03],
    [10, 0.2],
    [100, 0.2],
  ] as const) {
    const expected = (draws * rank ** -0.99) / zeta;
    const found = times[rank - 1] ?? 0;
    assert.ok(Math.abs(found / expected - 1) < tolerance, `rank ${rank}: ${found} instead of ${expected}`);
  }
});

test("popular keys of Zipf are no neighbours, and no two ranks share a key", () => {
  for (const count of [200, 10_000, 100_000]) {
    // The first key is the one of the least draw; the second follows it.
    const [first, second] = [0, 1.2].map((part) => {
      let zeta = 0;
      for (let rank = 1; rank <= count; rank++) zeta += rank ** -0.99;
      return zipf(count, () => part / zeta)();
    });
    assert.notEqual(first, second);
    assert.ok(Math.abs((first ?? 0) - (second ?? 0)) > 1);
  }
});

test("uniform keys all have the same chance", () => {
  const times = popularity(100, uniform(100, seededRandom(1)));
  assert.ok((times[0] ?? 0) < 1.15 * (draws / 100));
  assert.ok((times[99] ?? 0) > 0.85 * (draws / 100));
});

test("keys have 20 bytes, and as redis-benchmark makes them", () => {
  assert.equal(keyOf(1, 42), "key:0001000000000042");
  // It puts 12 digits in place of __rand_int__.
  assert.equal(keyOf(1, 42), `${keyPrefix(1)}${"42".padStart(12, "0")}`);
});
