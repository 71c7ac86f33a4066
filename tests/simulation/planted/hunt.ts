import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import type { Mutant } from "./mutant.ts";
import { planted } from "./plant.ts";

/** What the simulation needs of this project. */
const parts = ["package.json", "src", "gen", "tests/simulation", "tests/support", "tests/checker"];

/**
 * Most hunts end with their first seed. Until then JavaScriptCore's last compiler takes more time than what it compiles
 * saves: a fifth of all.
 */
const quickStart = { BUN_JSC_useFTLJIT: "0" };

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
export function hunt(mutant: Mutant, options: HuntOptions): Promise<Catch> {
  return planted(mutant.edits, parts, (folder) => runProgram(folder, mutant, options));
}

async function runProgram(
  folder: string,
  mutant: Mutant,
  { limitMs, hint = 0 }: HuntOptions,
): Promise<Catch> {
  const { withinSeeds, focus = [] } = mutant;
  const program = join(folder, "tests/simulation/planted/hunt-program.ts");
  const child = spawn(process.execPath, [program, String(withinSeeds), String(hint), ...focus], {
    env: { ...process.env, ...quickStart },
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
