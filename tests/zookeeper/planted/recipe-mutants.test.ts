// runtimes: bun
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { planted } from "../../simulation/planted/plant.ts";
import { programEnvironment } from "../../support/run-program.ts";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { type RecipeMutant, recipeMutants } from "./recipe-mutants.ts";

const zookeeper = await startZooKeeper();
after(() => zookeeper.close());

const program = fileURLToPath(new URL("suites-program.ts", import.meta.url));
/** Bugs that make a test wait for ever need not be waited for. */
const HANGING_MS = 10_000;
const AT_ONCE = 4;

test("each bug planted in the recipes is caught by their tests", { timeout: 240_000 }, async () => {
  assert.ok(recipeMutants.length >= 22);
  const all = recipeMutants.map(({ test }) => test).join("|");
  assert.equal(await exitCode([], all, 120_000), 0, "a test fails without any bug");
  const left = recipeMutants.values();
  const hunt = async () => {
    for (const { name, edits, test } of left) {
      assert.notEqual(await exitCode(edits, test, HANGING_MS), 0, `not caught: ${name}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, hunt));
});

/** Of the tests with these titles; null when they took too long. */
function exitCode(edits: RecipeMutant["edits"], titles: string, limitMs: number): Promise<number | null> {
  const { options, env } = planted(edits);
  const child = spawn(process.execPath, ["test", ...options, program, "-t", titles], {
    env: { ...programEnvironment(), ...env, TEST_ZOOKEEPER: zookeeper.connectString },
    stdio: "ignore",
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  return new Promise((resolve) => child.once("close", resolve));
}
