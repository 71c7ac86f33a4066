// runtimes: node
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "../support/until.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

for (const part of ["generated code", "package", "tests/checker"]) {
  test(`a stopped npm test --only "${part}" leaves no folder behind`, { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "kvlab-stop-"));
    const child = spawn(process.execPath, ["scripts/test.mjs", "--only", part], {
      cwd: root,
      env: { ...process.env, TMPDIR: folder },
      stdio: "ignore",
    });
    try {
      const ended = once(child, "exit");
      await until("it has made a folder", 50_000, () => readdirSync(folder).length > 0);
      child.kill("SIGTERM");
      await ended;
      assert.deepEqual(readdirSync(folder), []);
    } finally {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
