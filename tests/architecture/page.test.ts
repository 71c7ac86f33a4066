// runtimes: node
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/architecture.md"), "utf8");

/** The files of one of the ways, in their order. */
function filesOf(call: string): string[] {
  const [, section = ""] = page.split(`\n## The way of a ${call}\n`);
  const [table = ""] = section.split("\n## ");
  return [...table.matchAll(/^\| \d+ \| `(src\/[^`]+)` \|/gm)].map(([, file = ""]) => file);
}

test("every file that the page on the architecture names exists", () => {
  const named = [...page.matchAll(/\b(?:src|tests|proto)(?:\/[\w.-]+)*/g)].map(([path]) => path);
  const missing = named.filter((path) => !existsSync(join(root, path.replace(/\.$/, ""))));
  assert.ok(named.length > 60);
  assert.deepEqual(missing, []);
});

for (const [call, filesMax] of [
  ["put", 28],
  ["get", 22],
  ["watch", 22],
] as const) {
  test(`the way of a ${call} is at most ${filesMax} files long, and returns to none`, () => {
    const files = filesOf(call);
    assert.ok(files.length > 0 && files.length <= filesMax, `${files.length} files`);
    assert.deepEqual([...new Set(files)], files);
  });
}
