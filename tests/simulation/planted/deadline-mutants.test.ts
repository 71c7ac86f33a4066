// runtimes: bun
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { deadlineMutants, type UnitMutant } from "./deadline-mutants.ts";
import { planted } from "./plant.ts";

const tests = fileURLToPath(new URL("../..", import.meta.url));

test("each bug planted in the deadlines of calls is caught by their tests", {
  timeout: 120_000,
}, async () => {
  for (const mutant of deadlineMutants) {
    assert.notEqual(await exitCodeOf(mutant), 0, `not caught: ${mutant.name}`);
  }
  const none = { name: "none", edits: [] };
  for (const name of new Set(deadlineMutants.map((mutant) => mutant.test))) {
    assert.equal(await exitCodeOf({ ...none, test: name }), 0, `${name} fails without any bug`);
  }
});

/** Of the test of a mutant. */
function exitCodeOf(mutant: UnitMutant): Promise<number | null> {
  const { options, env } = planted(mutant.edits);
  const child = spawn(process.execPath, ["test", ...options, join(tests, mutant.test)], {
    env: { ...process.env, ...env },
    stdio: "ignore",
    timeout: 60_000,
  });
  return new Promise((resolve) => child.once("close", resolve));
}
