import process from "node:process";
import type { Latencies } from "../bench/latencies.ts";
import { tableOf } from "../bench/statistics.ts";
import { GrowingRing } from "./growing-ring.ts";
import { growthSteps } from "./growth-steps.ts";

const HELP = `Two groups become five, two of them are drained, and the virtual nodes rise from 2 to 128, all of it under load.

Usage: npm run ring-growth

Says what the calls took before the first change and during each of them. Exits with 1 when a call has failed, or another
promise was broken.
`;

const settings = { clients: 32, watchers: 50, keys: 1000 };
/** Calls without a change, before the first one. */
const quietCalls = 5000;

if (process.argv.length > 2) {
  console.log(HELP);
  process.exit(process.argv[2] === "--help" ? 0 : 2);
}
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1));
process.exitCode = await run();

async function run(): Promise<number> {
  const { clients, watchers, keys } = settings;
  console.log(`${clients} clients, ${watchers} watchers, ${keys} keys`);
  const growing = await GrowingRing.start(settings);
  try {
    const quiet = await growing.quiet(quietCalls);
    const rows = [row("nothing changes", quiet, quiet)];
    for (const { title, groups, change } of growthSteps) {
      rows.push(row(title, await growing.change(() => change(growing), groups), quiet));
      console.log(title);
    }
    console.log(tableOf(["", "calls", "p50 ms", "p99 ms", "p99 / quiet"], rows));
    await growing.assertLinearizable();
    console.log(`${growing.callCount} calls: none has failed, and the history of every key is linearizable`);
    await growing.assertPlaced();
    console.log("every key is where the ring says and nowhere else");
    await growing.assertTold();
    console.log(`${growing.eventCount} events: every watcher was told each change once`);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    await growing.close();
  }
}

function row(what: string, latencies: Latencies, quiet: Latencies): string[] {
  const { p50Ms, p99Ms } = latencies.summary;
  return [
    what,
    `${latencies.count}`,
    p50Ms.toFixed(1),
    p99Ms.toFixed(1),
    (p99Ms / quiet.summary.p99Ms).toFixed(1),
  ];
}
