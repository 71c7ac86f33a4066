// runtimes: node
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { flagsFor } from "../../src/server/limit-garbage.ts";

const program = fileURLToPath(new URL("garbage-program.ts", import.meta.url));

test("garbage of a server on Node.js gets no more room than there was when its modules were loaded", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  assert.equal(stdout, "it has not grown");
});

test("what an operator has set of the room for garbage stays as it was set", () => {
  const bytes = 32 * 1024 * 1024;
  assert.equal(flagsFor(["--no-warnings", ""], bytes).length, 2);
  assert.deepEqual(flagsFor(["--max-semi-space-size=64", ""], bytes), []);
  assert.deepEqual(flagsFor(["--no-warnings --min_semi_space_size=1"], bytes), []);
});

test("a young generation that is small yet may grow", () => {
  assert.deepEqual(flagsFor([], 8 * 1024 * 1024), ["--heap-growing-percent=100"]);
});
