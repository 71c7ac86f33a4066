import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Makes a copy of these parts of the project with a bug in it, for `run`. Errors: an edit does not fit the source. */
export async function planted<T>(
  edits: Mutant["edits"],
  parts: readonly string[],
  run: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "kvlab-mutant-"));
  try {
    for (const part of parts) cpSync(join(root, part), join(folder, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    for (const [file, text, replacement] of edits) edit(join(folder, "src", file), text, replacement);
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function edit(path: string, text: string, replacement: string): void {
  const [before, after, ...more] = readFileSync(path, "utf8").split(text);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`${path} must have this once: ${text}`);
  }
  writeFileSync(path, before + replacement + after);
}
