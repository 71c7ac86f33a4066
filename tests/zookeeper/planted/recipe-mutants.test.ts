// runtimes: bun
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { ZooKeeper } from "../../../src/zookeeper/index.ts";
import { planted } from "../../simulation/planted/plant.ts";
import { programEnvironment } from "../../support/run-program.ts";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { type RecipeMutant, recipeMutants } from "./recipe-mutants.ts";

const zookeeper = await startZooKeeper();
const client = await ZooKeeper.connect({ servers: zookeeper.connectString });
after(async () => {
  await client.close();
  await zookeeper.close();
});

const parts = ["package.json", "src", "tests/support", "tests/zookeeper"];
const program = "tests/zookeeper/planted/suites-program.ts";
/** Bugs that make a test wait for ever need not be waited for. */
const HANGING_MS = 8000;

test("each bug planted in the recipes is caught by their tests", { timeout: 240_000 }, async () => {
  assert.ok(recipeMutants.length >= 13);
  const all = recipeMutants.map(({ test }) => test).join("|");
  assert.equal(await exitCode([], all, 120_000), 0, "a test fails without any bug");
  for (const { name, edits, test } of recipeMutants) {
    assert.notEqual(await exitCode(edits, test, HANGING_MS), 0, `not caught: ${name}`);
  }
});

/** Of the tests with these titles; null when they took too long. */
async function exitCode(
  edits: RecipeMutant["edits"],
  titles: string,
  limitMs: number,
): Promise<number | null> {
  for (const name of (await client.children("/")).children) {
    if (name !== "zookeeper") await client.deleteAll(`/${name}`);
  }
  return planted(edits, parts, (folder) => {
    const child = spawn(process.execPath, ["test", join(folder, program), "-t", titles], {
      cwd: folder,
      env: { ...programEnvironment(), TEST_ZOOKEEPER: zookeeper.connectString },
      stdio: "ignore",
      timeout: limitMs,
      killSignal: "SIGKILL",
    });
    return new Promise((resolve) => child.once("close", resolve));
  });
}
