// runtimes: node
import assert from "node:assert/strict";
import { test } from "node:test";
import { runNemesis } from "./run.ts";
import { workloads } from "./workloads/all.ts";

test("the recipes keep what they promise while members and connections fail", {
  timeout: 120_000,
}, async () => {
  const seed = Math.floor(Math.random() * 1e6);
  const { rounds, violation } = await runNemesis({ seed, rounds: 3, workloads });
  assert.equal(violation, undefined, `seed ${seed}: ${violation}`);
  assert.equal(rounds, 3);
});
