// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { aroundCompaction } from "./around-compaction.ts";

const put = (sentMs: number, tookMs: number) => ({ sentMs, ackedMs: sentMs + tookMs });

test("a put under way when the compaction begins or ends counts as one during it", () => {
  const time = { begunMs: 2000, endedMs: 3000 };
  assert.equal(aroundCompaction([put(1990, 20), put(2500, 5)], time).slowestMs, 20);
  assert.equal(aroundCompaction([put(2500, 5), put(2990, 30)], time).slowestMs, 30);
});

test("the time before is as long as the compaction", () => {
  const puts = [put(500, 100), put(1000, 7), put(1500, 3), put(2500, 20)];
  const cost = aroundCompaction(puts, { begunMs: 2000, endedMs: 3000 });
  assert.deepEqual(cost, { seconds: 1, slowestMs: 20, slowestBeforeMs: 7, secondsBefore: 1 });
});

test("a load that began later has a shorter time before", () => {
  const cost = aroundCompaction([put(1500, 3), put(2500, 20)], { begunMs: 2000, endedMs: 3000 });
  assert.equal(cost.secondsBefore, 0.5);
});
