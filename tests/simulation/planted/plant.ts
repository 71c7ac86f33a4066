import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";

const source = fileURLToPath(new URL("../../../src", import.meta.url));
const program = fileURLToPath(new URL("plant-program.ts", import.meta.url));

/**
 * How Bun is started to run this project with a bug in it: its first options, and what is added to its environment.
 * Errors: an edit does not fit the source.
 */
export function planted(edits: Mutant["edits"]): { options: string[]; env: { PLANTED_EDITS: string } } {
  // Here, since a process that ends at its start would look like one that has found the bug.
  editedFiles(edits);
  return { options: ["--preload", program], env: { PLANTED_EDITS: JSON.stringify(edits) } };
}

/** What the edits make of the files that they change, by path. Errors: an edit does not fit the source. */
export function editedFiles(edits: Mutant["edits"]): Map<string, string> {
  const files = new Map<string, string>();
  for (const [file, text, replacement] of edits) {
    const path = join(source, file);
    const [before, after, ...more] = (files.get(path) ?? readFileSync(path, "utf8")).split(text);
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(`${path} must have this once: ${text}`);
    }
    files.set(path, before + replacement + after);
  }
  return files;
}
