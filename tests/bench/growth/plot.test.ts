// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Growth } from "./growth.ts";
import { plotOf } from "./plot.ts";

function growth(keys: number): Growth {
  const round = {
    operations: 1000,
    seconds: 1,
    failures: 0,
    latencies: { p50Ms: 1, p99Ms: 1, p999Ms: 1 },
    clientCpuSeconds: 1,
    processes: [{ role: "primary", cpuSeconds: keys / 1000, memoryBytes: keys * 1000 }],
    otherCores: 0,
    leaderChanged: false,
  };
  const works = { get: [round], scan: [round], put: [round] };
  return { keys, logBytes: 1, openingSeconds: { log: keys, index: 1 }, catchUpSeconds: 3, works };
}

const places = (svg: string) =>
  [...svg.matchAll(/circle cx="([^"]+)" cy="([^"]+)"/g)].map(([, x, y]) => [Number(x), Number(y)] as const);

test("sizes that are ten times as many are equally far from each other, and so is what costs ten times as much", () => {
  const [few, more, many] = places(plotOf([growth(1000), growth(10_000), growth(100_000)]));
  for (const axis of [0, 1] as const) {
    const [a = 0, b = 0, c = 0] = [few, more, many].map((place) => place?.[axis]);
    assert.notEqual(a, b);
    assert.ok(Math.abs(b - a - (c - b)) < 0.3);
  }
});

test("one size alone can be drawn", () => {
  const svg = plotOf([growth(1000)]);
  assert.ok(places(svg).length > 0);
  assert.doesNotMatch(svg, /NaN|Infinity/);
});
