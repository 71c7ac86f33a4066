// runtimes: node
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("garbage-program.ts", import.meta.url));

/** Bytes of the young generation of a server, when its modules are loaded, and after much garbage. */
async function youngBytes(options: readonly string[], env = {}): Promise<{ before: number; after: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [...options, program], {
    env: { ...process.env, ...env },
  });
  return JSON.parse(stdout);
}

test("garbage of a server on Node.js gets no more room than there was when its modules were loaded", async () => {
  const { before, after } = await youngBytes([]);
  assert.equal(after, before);
});

test("what an operator has set of the room for garbage stays as it was set", async () => {
  const asOption = await youngBytes(["--max-semi-space-size=128"]);
  assert.ok(asOption.after > asOption.before);
  const inEnvironment = await youngBytes([], { NODE_OPTIONS: "--max_semi_space_size=128" });
  assert.ok(inEnvironment.after > inEnvironment.before);
});
