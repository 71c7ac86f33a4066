// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Round } from "../load.ts";
import { bytesPerKey, figuresOf, type Growth } from "./growth.ts";

function round(operations: number, cpuSeconds: number, memoryBytes = 0): Round {
  return {
    operations,
    seconds: 2,
    failures: 0,
    latencies: { p50Ms: 1, p99Ms: 1, p999Ms: 1 },
    clientCpuSeconds: 1,
    processes: [
      { role: "primary", cpuSeconds, memoryBytes },
      { role: "standby", cpuSeconds: 9, memoryBytes: 9 },
    ],
    otherCores: 0,
    leaderChanged: false,
  };
}

function growth(keys: number, memoryBytes: number): Growth {
  const works = { get: [], scan: [], put: [round(1, 1, memoryBytes)] };
  return { keys, logBytes: 0, openingSeconds: { log: 0, index: 0 }, catchUpSeconds: 0, works };
}

test("a call costs the CPU time of the primary only", () => {
  const figures = figuresOf([round(1000, 0.5)], [round(1000, 0.5)]);
  assert.deepEqual(figures, { perSecond: 500, cpuMicros: 500, ratio: 1 });
});

test("a size is compared with the smallest one within each round", () => {
  const [few, many] = [
    [10, 20, 30],
    [20, 60, 60],
  ].map((micros) => micros.map((each) => round(1e6, each)));
  assert.equal(figuresOf(many ?? [], few ?? []).ratio, 2);
});

test("memory of a key is what the keys beyond the smallest size add", () => {
  assert.equal(bytesPerKey(growth(1000, 90_000), growth(100, 45_000)), 50);
  assert.equal(bytesPerKey(growth(100, 45_000), growth(100, 45_000)), Number.NaN);
});
