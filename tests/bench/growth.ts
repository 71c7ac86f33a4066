import { writeFileSync } from "node:fs";
import process from "node:process";
import { progress } from "../support/progress.ts";
import { CommandLine } from "./command-line.ts";
import { measureCompaction, steadyPutsPerSecond } from "./growth/compaction.ts";
import type { Growth } from "./growth/growth.ts";
import { plotOf } from "./growth/plot.ts";
import { reportOf } from "./growth/report.ts";
import { startStore } from "./growth/store.ts";
import { type GrowthClient, measureWork, startClient } from "./growth/work.ts";
import { startAll } from "./load-suite.ts";
import { describeMachine } from "./machine.ts";
import { versionOf } from "./runtimes.ts";

const HELP = `Measures how the store grows with its number of keys: of 20 bytes, with values of 100.

Usage: npm run bench:growth -- [--keys N]... [--rounds N] [--seconds N] [--json FILE] [--svg FILE]

  --keys N     A size, at least 1000 (default 10000, 100000, 1000000 and 10000000)
  --rounds N   How often each operation is measured on each size (default 5)
  --seconds N  For how long each time (default 2)
  --json FILE  Writes every round there
  --svg FILE   Draws cost, memory and times over the number of keys there

Each size is a group of two nodes on Bun, with a router and a ZooKeeper; all of them are there at once. Of each, it says:

  open s        from the start of a node's process until its log, with keys in an order of chance, is open and its port
                listens: without an index file, and (by index) with the one that a clean stop leaves
  catch-up s    from when an empty standby is registered until it is in sync; MB/s of the primary's log
  memory MB     of the primary in RAM (VmRSS) after rounds of puts, median; B/key: what it has more than the smallest
                size, by the number of keys that are more
  get, scan of 100, put
                calls a second, of 128 callers in one process on Bun with uniform keys, and CPU time of the primary for a
                call; the sizes in turns within each round, medians. ratio: of the CPU time to that of the smallest size
                in the same round, median. A compaction or index file that comes with puts counts: a small log has many
  compaction s  one under a load of ${steadyPutsPerSecond} puts a second, on the primary and the standby at once; the slowest put during
                it, and of an equally long time before

Needs Linux, and the Debian package zookeeper. 10,000,000 keys need 10 GB of disk in the temporary folder, and 4 GB of RAM.
`;

const commandLine = new CommandLine("bench:growth", HELP);
const options = readOptions();
commandLine.needs(["zookeeper"]);
await run();
process.exit(0);

function readOptions() {
  const { keys, rounds, seconds, json, svg } = commandLine.read({
    keys: { type: "string", multiple: true, default: ["10000", "100000", "1000000", "10000000"] },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    json: { type: "string" },
    svg: { type: "string" },
  });
  const sizes = keys.map(Number);
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1000)) {
    commandLine.fail(`--keys is ${keys}; it must be whole numbers from 1000 on`);
  }
  return {
    sizes: [...new Set(sizes)].sort((a, b) => a - b),
    rounds: commandLine.count("rounds", rounds),
    seconds: commandLine.seconds("seconds", seconds),
    json,
    svg,
  };
}

async function run(): Promise<void> {
  const { rounds, seconds } = options;
  const about = {
    begun: new Date().toISOString(),
    machine: describeMachine(),
    runtime: versionOf("bun"),
    rounds,
    seconds,
  };
  const { peers: stores, close } = await startAll(options.sizes.map((keys) => () => startStore(keys)));
  const clients = stores.map(startClient);
  try {
    const growths = await costs(clients);
    try {
      for (const [index, growth] of growths.entries()) {
        const client = clients[index];
        if (client === undefined) continue;
        progress(`${growth.keys} keys: compaction`);
        growths[index] = { ...growth, compaction: await measureCompaction(client) };
      }
    } finally {
      // What is there counts, also when a compaction fails.
      progress("");
      console.log(reportOf(growths));
      if (options.json !== undefined) {
        writeFileSync(options.json, `${JSON.stringify({ ...about, sizes: growths }, undefined, 2)}\n`);
      }
      if (options.svg !== undefined) writeFileSync(options.svg, plotOf(growths));
    }
  } finally {
    for (const { client } of clients) await client.close();
    await close();
  }
}

/** What each store has cost so far, and costs with each operation. */
async function costs(clients: readonly GrowthClient[]): Promise<Growth[]> {
  const [get, scan, put] = [
    await measureWork("get", clients, options),
    await measureWork("scan", clients, options),
    await measureWork("put", clients, options),
  ];
  return clients.map(({ store: { name, keys, logBytes, openingSeconds, catchUpSeconds } }) => {
    const rounds = { get: get.get(name) ?? [], scan: scan.get(name) ?? [], put: put.get(name) ?? [] };
    return { keys, logBytes, openingSeconds, catchUpSeconds, works: rounds };
  });
}
