// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { Latencies } from "./latencies.ts";

test("a quantile is never too good, and off by 1 % at most", () => {
  const latencies = new Latencies();
  for (let ms = 1; ms <= 1000; ms++) latencies.add(ms / 10);
  for (const [part, exactMs] of [
    [0.5, 50],
    [0.99, 99],
    [0.999, 99.9],
    [1, 100],
  ] as const) {
    const toldMs = latencies.quantileMs(part);
    assert.ok(toldMs >= exactMs && toldMs <= exactMs * 1.0101, `${part}: ${toldMs} ms instead of ${exactMs}`);
  }
});

test("of few latencies the last is the p99", () => {
  const latencies = new Latencies();
  for (const ms of [1, 1, 1, 500]) latencies.add(ms);
  assert.ok(latencies.summary.p99Ms >= 500);
  assert.ok(latencies.summary.p50Ms < 1.1);
});

test("latencies beyond both ends are kept at the ends", () => {
  const latencies = new Latencies();
  latencies.add(0);
  latencies.add(10_000_000);
  assert.equal(latencies.count, 2);
  assert.ok(latencies.quantileMs(0.5) < 0.01);
  assert.ok(latencies.quantileMs(1) >= 600_000);
});

test("of no latencies there is no quantile", () => {
  assert.ok(Number.isNaN(new Latencies().quantileMs(0.5)));
});
