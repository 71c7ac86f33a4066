// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Round } from "./load.ts";
import { ratiosOf } from "./ratios.ts";
import type { LoadResult, Measure } from "./suite.ts";

function round(operations: number, ms: number, failures = 0): Round {
  return {
    operations,
    seconds: 2,
    failures,
    latencies: { p50Ms: ms, p99Ms: 2 * ms, p999Ms: 3 * ms },
    clientCpuSeconds: 0,
    processes: [],
    otherCores: 0,
    leaderChanged: false,
  };
}

function loadResult(compared: Measure, ours: readonly Round[], theirs: readonly Round[]): LoadResult {
  const sides = new Map([
    ["ours", ours],
    ["theirs", theirs],
  ]);
  return { kind: "load", name: "w", compared, pairs: [["ours", "theirs"]], sides };
}

test("a ratio is of the two sides of one round, and above 1 when ours makes more calls", () => {
  const ours = [round(100, 1), round(300, 1), round(50, 1)];
  const theirs = [round(100, 1), round(100, 1), round(100, 1)];
  const [ratio] = ratiosOf(loadResult("rate", ours, theirs));
  assert.deepEqual(ratio?.rounds, [1, 3, 0.5]);
  assert.equal(ratio?.median, 1);
});

test("of times, a ratio is above 1 when ours are shorter", () => {
  for (const compared of ["p50", "p99"] as const) {
    const [ratio] = ratiosOf(loadResult(compared, [round(1, 2)], [round(1, 8)]));
    assert.equal(ratio?.median, 4);
  }
  const sides = new Map([
    ["ours", [2]],
    ["theirs", [8]],
  ]);
  const [figure] = ratiosOf({ kind: "figure", name: "f", unit: "MB", pairs: [["ours", "theirs"]], sides });
  assert.equal(figure?.median, 4);
});

test("a round in which a call has failed has no ratio", () => {
  const [ratio] = ratiosOf(
    loadResult("rate", [round(1000, 1, 1), round(50, 1)], [round(100, 1), round(100, 1)]),
  );
  assert.deepEqual(ratio?.rounds, [0.5]);
});
