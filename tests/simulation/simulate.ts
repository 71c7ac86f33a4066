import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { progress } from "../support/progress.ts";
import { type RunResult, runSeed } from "./run.ts";
import { shrink } from "./shrink.ts";
import { tellStory } from "./story.ts";

const HELP = `Runs whole clusters in simulation, one for each seed, and checks all that they do.

Usage: npm run simulate -- [--seeds N] [--from N] [--seed N]

  --seeds N  How many seeds (default 1000)
  --from N   The first of them (default 1)
  --seed N   Only this one, exactly as it ran before; a failure is told with as few faults as are enough for it
`;

/** As many as the smallest machine that we care for has cores. */
const WORKERS = 2;
/** Seeds that one process runs at most, so that all end at about the same time. */
const SHARE_MAX = 250;
/** Of more failures only the seed and the violation are told. */
const STORIES_MAX = 3;

/** What a worker says of a seed. */
type Report = Omit<RunResult, "counts" | "lines"> & { readonly counts: Record<string, number> };

const options = readOptions();
if (options.worker) await work();
else if (options.seed !== undefined) process.exitCode = (await tell(options.seed)) ? 1 : 0;
else await simulate();

function readOptions() {
  try {
    const text = { type: "string" } as const;
    const { values } = parseArgs({
      options: {
        seeds: text,
        from: text,
        seed: text,
        worker: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const whole = (name: "seeds" | "from" | "seed") => {
      const value = values[name];
      if (value === undefined) return undefined;
      if (!/^\d{1,15}$/.test(value)) throw new Error(`--${name} is ${value}; it must be a whole number`);
      return Number(value);
    };
    const [seeds = 1000, from = 1] = [whole("seeds"), whole("from")];
    return { seeds, from, seed: whole("seed"), worker: values.worker ?? false };
  } catch (error) {
    console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
}

/** Runs the seeds in turn, and writes a line of JSON for each. */
async function work(): Promise<void> {
  const { from, seeds } = options;
  for (let seed = from; seed < from + seeds; seed++) {
    const { lines: _, counts, ...result } = await runSeed(seed);
    const report: Report = { ...result, counts: Object.fromEntries(counts) };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
}

async function simulate(): Promise<void> {
  const { from, seeds } = options;
  const startedMs = performance.now();
  const totals = { seeds: 0, virtualMs: 0, calls: 0, events: 0 };
  const counts = new Map<string, number>();
  const failed: Report[] = [];
  const add = (report: Report) => {
    totals.seeds++;
    totals.virtualMs += report.virtualMs;
    totals.calls += report.calls;
    totals.events += report.events;
    for (const [what, times] of Object.entries(report.counts))
      counts.set(what, (counts.get(what) ?? 0) + times);
    if (report.violation !== undefined) {
      failed.push(report);
      progress("");
      console.log(`seed ${report.seed}: ${report.violation.split("\n", 1)[0]}`);
    }
    const perMinute = (totals.seeds / (performance.now() - startedMs)) * 60_000;
    progress(`${totals.seeds} of ${seeds} seeds, ${failed.length} failed, ${perMinute.toFixed(0)} a minute`);
  };
  let next = from;
  let isWhole = true;
  const share = Math.min(SHARE_MAX, Math.ceil(seeds / WORKERS));
  const runShares = async () => {
    while (next < from + seeds) {
      const first = next;
      next = Math.min(first + share, from + seeds);
      const code = await startWorker(first, next - first, add);
      isWhole &&= code === 0;
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, runShares));
  progress("");
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(
    `${totals.seeds} seeds (from ${from}) in ${seconds.toFixed(0)} s: ${totals.calls} calls and ${totals.events} events ` +
      `in ${(totals.virtualMs / 3_600_000).toFixed(1)} hours of simulated time`,
  );
  for (const [what, times] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`${String(times).padStart(10)}  ${what}`);
  }
  for (const { seed } of failed.slice(0, STORIES_MAX)) await tell(seed);
  console.log(`${totals.seeds - failed.length} seeds held, ${failed.length} failed`);
  if (!isWhole) console.error("simulate: a worker has ended early; what it says stands above");
  process.exitCode = failed.length > 0 || !isWhole ? 1 : 0;
}

/** Runs some seeds in a process of its own. Resolves with its exit code. */
function startWorker(
  from: number,
  seeds: number,
  onReport: (report: Report) => void,
): Promise<number | null> {
  const script = fileURLToPath(import.meta.url);
  const runArgs = "Deno" in globalThis ? ["run", "-A"] : [];
  const args = [...runArgs, script, "--worker", "--from", `${from}`, "--seeds", `${seeds}`];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  createInterface(child.stdout).on("line", (line) => onReport(JSON.parse(line)));
  const end = () => child.kill();
  process.once("exit", end);
  return new Promise((resolve) =>
    child.once("close", (code) => {
      process.off("exit", end);
      resolve(code);
    }),
  );
}

/** Says whether the seed fails, and how. */
async function tell(seed: number): Promise<boolean> {
  const shrunk = await shrink(seed);
  if (shrunk === undefined) {
    const { violation, digest, calls, virtualMs } = await runSeed(seed);
    console.log(
      `seed ${seed}: ${violation ?? "everything held"}; ${calls} calls in ${(virtualMs / 1000).toFixed(1)} s, trace ${digest}`,
    );
    return false;
  }
  console.log(`\n${tellStory(shrunk.result, shrunk.plan).join("\n")}\n`);
  return true;
}
