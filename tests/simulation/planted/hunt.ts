import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";

/** What the simulation needs of this project. */
const parts = ["package.json", "src", "gen", "tests/simulation", "tests/support", "tests/checker"];

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** What the simulation has made of a mutant. */
export interface Catch {
  /** Undefined when nothing was found. */
  readonly seed?: number;
  readonly violation?: string;
}

export interface HuntOptions {
  /** How long it may take: a mutant may hang. */
  readonly limitMs: number;
  /** The seed to try first. */
  readonly hint: number | undefined;
}

/** Makes a copy of the project with the bug, and runs seeds there. Errors: an edit does not fit the source. */
export async function hunt(mutant: Mutant, options: HuntOptions): Promise<Catch> {
  const folder = mkdtempSync(join(tmpdir(), "kvlab-mutant-"));
  try {
    for (const part of parts) cpSync(join(root, part), join(folder, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    for (const [file, text, replacement] of mutant.edits) edit(join(folder, "src", file), text, replacement);
    return await runProgram(folder, mutant, options);
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

async function runProgram(
  folder: string,
  mutant: Mutant,
  { limitMs, hint = 0 }: HuntOptions,
): Promise<Catch> {
  const { withinSeeds, focus = [] } = mutant;
  const program = join(folder, "tests/simulation/planted/hunt-program.ts");
  const child = spawn(process.execPath, [program, String(withinSeeds), String(hint), ...focus], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the simulation has ended with exit code ${code}`);
  return JSON.parse(output);
}
