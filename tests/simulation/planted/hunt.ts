import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";
import { planted } from "./plant.ts";

const program = fileURLToPath(new URL("hunt-program.ts", import.meta.url));

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
  /** How many seeds to try at least, of which the failure with the fewest events is taken: it is found soonest. */
  readonly seedsMin: number;
}

/** Runs seeds of the project with the bug in it. Errors: an edit does not fit the source. */
export async function hunt(mutant: Mutant, { limitMs, hint = 0, seedsMin }: HuntOptions): Promise<Catch> {
  const { edits, withinSeeds, focus = [] } = mutant;
  const { options, env } = planted(edits);
  const numbers = [withinSeeds, hint, seedsMin].map(String);
  const child = spawn(process.execPath, [...options, program, ...numbers, ...focus], {
    env: { ...process.env, ...quickStart, ...env },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  const [code, signal] = await once(child, "close");
  if (signal === "SIGKILL") throw new Error(`"${mutant.name}" was not caught within ${limitMs} ms`);
  if (code !== 0) throw new Error(`"${mutant.name}": the simulation has ended with exit code ${code}`);
  return JSON.parse(output);
}
