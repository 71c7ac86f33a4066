import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { progress } from "../support/progress.ts";
import { type ChaosResult, runChaos } from "./run.ts";

const HELP = `Runs a cluster of processes on a real ZooKeeper ensemble under faults, while its ring changes, and checks all that it
answers.

Usage: npm run chaos -- [--minutes N] [--runtime NAME] [--seed N]

  --minutes N     How long the faults go on (default 5)
  --runtime NAME  What all processes run on: bun (default), node or deno
  --seed N        Which faults come in which order; their effect is another every time

Exits with 1 and tells the story when a promise was broken; the logs of all processes are then kept.
`;

const runtimes: ReadonlyMap<string, readonly string[]> = new Map([
  ["bun", ["bun"]],
  ["node", ["node"]],
  ["deno", ["deno", "run", "-A"]],
]);

const { seed, minutes, runtime } = readOptions();
if (runtime === undefined) await run();
else process.exitCode = await runOn(runtime);

function readOptions() {
  try {
    const text = { type: "string" } as const;
    const { values } = parseArgs({
      options: { minutes: text, runtime: text, seed: text, help: { type: "boolean", short: "h" } },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const { minutes = "5", seed = `${Math.floor(Math.random() * 1e6)}` } = values;
    if (!(Number(minutes) > 0))
      throw new Error(`--minutes is ${minutes}; it must be a number greater than 0`);
    if (!/^\d{1,15}$/.test(seed)) throw new Error(`--seed is ${seed}; it must be a whole number`);
    const runtime = values.runtime === undefined ? undefined : runtimes.get(values.runtime);
    if (values.runtime !== undefined && runtime === undefined) {
      throw new Error(`--runtime is ${values.runtime}; allowed: ${[...runtimes.keys()].join(", ")}`);
    }
    return { minutes: Number(minutes), seed: Number(seed), runtime };
  } catch (error) {
    console.error(`chaos: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
}

/** Runs this file on another runtime, on which it then starts the servers. */
function runOn([command = "", ...args]: readonly string[]): Promise<number> {
  const given = ["--minutes", `${minutes}`, "--seed", `${seed}`];
  const child = spawn(command, [...args, fileURLToPath(import.meta.url), ...given], { stdio: "inherit" });
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

async function run(): Promise<void> {
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1));
  console.log(`seed ${seed}: ${minutes} minutes of faults on ${runtimeName()}`);
  const begun = performance.now();
  const result = await runChaos({
    seed,
    forMs: minutes * 60_000,
    onProgress({ ok, failed, unknown, faults }) {
      const seconds = Math.round((performance.now() - begun) / 1000);
      progress(`${seconds} s: ${ok} calls ok, ${failed} failed, ${unknown} unknown; ${faults} faults`);
    },
  });
  progress("");
  tell(result);
  process.exit(result.violation === undefined ? 0 : 1);
}

function tell(result: ChaosResult): void {
  const { ok, failed, unknown, events, faults, failovers, longestGapMs, healedMs } = result;
  for (const [kind, count] of [...result.faultsByKind, ...result.ringChanges].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    console.log(`${String(count).padStart(6)}  ${kind}`);
  }
  console.log(`${faults} faults, ${failovers} failovers`);
  console.log(`${ok + failed + unknown} calls: ${ok} ok, ${failed} failed, ${unknown} of unknown outcome`);
  console.log(`${events} events told to watchers`);
  console.log(`longest time without a call that succeeded: ${seconds(longestGapMs)}`);
  console.log(`whole again ${seconds(healedMs)} after the last fault`);
  if (result.violation === undefined) console.log(`seed ${seed}: everything held`);
  else
    console.log(
      `\nseed ${seed}: violation\n${result.violation.join("\n")}\n\nlogs and data: ${result.folder}`,
    );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function runtimeName(): string {
  if ("Bun" in globalThis) return "Bun";
  return "Deno" in globalThis ? "Deno" : "Node.js";
}
