import process from "node:process";
import { until } from "../support/until.ts";
import { CommandLine } from "./command-line.ts";
import type { Contestant } from "./contestant.ts";
import { startEtcd } from "./etcd.ts";
import { startKvlab } from "./kvlab.ts";
import { startOpenLoop } from "./open-loop.ts";
import { missingPrograms } from "./peers/peer.ts";
import { quantile, tableOf } from "./statistics.ts";

const HELP = `Measures for how long no put succeeds when the primary is killed (kill -9) under load, here and in etcd.

Usage: npm run bench:failover -- [--times N]

  --times N  How many times the primary of each is killed, in turns (default 30)

A group of three nodes with default settings on three ZooKeeper servers (tickTime 2000), called over a router; three
etcd servers with default settings, called over those that are up. Both get 100 puts of 100 bytes a second. etcd is
left out unless the Debian package etcd-server is there.
`;

/** Puts that must have succeeded, one after another, before and after a kill. */
const steadyPuts = 100;

const commandLine = new CommandLine("bench:failover", HELP);
const times = commandLine.count(
  "times",
  commandLine.read({ times: { type: "string", default: "30" } }).times,
);
await run();

async function run(): Promise<void> {
  const contestants = [await startKvlab()];
  try {
    const [missing] = missingPrograms(["etcd"]);
    if (missing === undefined) contestants.push(await startEtcd());
    else console.log(`${missing}; it is left out`);
    const gaps = new Map<Contestant, number[]>(contestants.map((contestant) => [contestant, []]));
    for (let round = 1; round <= times; round++) {
      for (const [contestant, list] of gaps) {
        const gapMs = await failOver(contestant);
        list.push(gapMs);
        console.log(`${round} of ${times}: ${contestant.name} ${gapMs.toFixed(0)} ms`);
      }
    }
    console.log(`\nms without a successful put, over ${times} kills of the primary:`);
    console.log(
      tableOf(
        ["", "median", "p99", "most"],
        [...gaps].map(([{ name }, list]) => [
          name,
          ...[0.5, 0.99, 1].map((part) => quantile(list, part).toFixed(0)),
        ]),
      ),
    );
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.close()));
  }
  process.exit(0);
}

/** Kills the primary under load. Returns the longest time around it without a put that was acknowledged, in ms. */
async function failOver(contestant: Contestant): Promise<number> {
  const load = startOpenLoop(contestant);
  const { successes } = load;
  const steadily = async (sinceMs: number) => {
    await until(`${contestant.name} takes puts`, 60_000, () => {
      return successes.filter(({ sentMs }) => sentMs > sinceMs).length > steadyPuts;
    });
  };
  try {
    await steadily(0);
    const killedMs = await contestant.killLeader();
    await steadily(killedMs);
    const ackedMs = successes.map((success) => success.ackedMs).sort((a, b) => a - b);
    const gaps = ackedMs.map((ms, index) => (ms > killedMs ? ms - (ackedMs[index - 1] ?? killedMs) : 0));
    return Math.max(...gaps);
  } finally {
    await load.end();
    await contestant.restore();
  }
}
