// runtimes: node
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("garbage-program.ts", import.meta.url));

/** Whether the young generation of a server grows with garbage, once its modules are loaded. */
async function growsWithGarbage(options: readonly string[], env = {}): Promise<boolean> {
  const { stdout } = await promisify(execFile)(process.execPath, [...options, program], {
    env: { ...process.env, ...env },
  });
  return JSON.parse(stdout);
}

test("garbage of a server on Node.js gets no more room than there was when its modules were loaded", async () => {
  assert.equal(await growsWithGarbage([]), false);
});

test("what an operator has set of the room for garbage stays as it was set", async () => {
  assert.equal(await growsWithGarbage(["--max-semi-space-size=128"]), true);
  assert.equal(await growsWithGarbage([], { NODE_OPTIONS: "--max_semi_space_size=128" }), true);
});
