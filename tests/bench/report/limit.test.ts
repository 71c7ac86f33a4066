// runtimes: bun
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import type { Round } from "../load.ts";
import { limitOf } from "./limit.ts";

/** One second, in which the client and each process used so many cores. */
function round(client: number, servers: readonly number[], otherCores = 0): Round {
  return {
    operations: 1,
    seconds: 1,
    failures: 0,
    latencies: { p50Ms: 1, p99Ms: 1, p999Ms: 1 },
    clientCpuSeconds: client,
    processes: servers.map((cpuSeconds) => ({ role: "r", cpuSeconds, memoryBytes: 0 })),
    otherCores,
    leaderChanged: false,
  };
}

test("a client that used up a core, unlike any server, is told to be the limit", () => {
  assert.equal(limitOf(round(0.97, [0.5, 0.3])), "the client");
  assert.notEqual(limitOf(round(0.95, [0.99])), "the client");
  assert.equal(limitOf(round(0.5, [0.1])), undefined);
});

test("a machine that has nothing left is told", () => {
  const cores = availableParallelism();
  assert.equal(limitOf(round(0, [cores / 2, cores / 2])), "all cores");
});

test("what other programs took is told before all else", () => {
  assert.equal(limitOf(round(0.97, [0.5], 1.25)), "others use 1.3 cores");
});
