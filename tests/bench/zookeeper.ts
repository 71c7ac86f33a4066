import process from "node:process";
import { ZooKeeper } from "../../src/zookeeper/index.ts";
import { progress } from "../support/progress.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";
import { CommandLine } from "./command-line.ts";
import type { Runtime } from "./runtimes.ts";
import { tableOf } from "./statistics.ts";
import { SteadyChanges } from "./zookeeper/steady-changes.ts";
import { createWatched } from "./zookeeper/watched-znodes.ts";
import { type WatcherKind, Watchers } from "./zookeeper/watchers.ts";

const HELP = `Measures what sessions of ZooKeeper with many watches cost, and how soon they are told of changes.

Usage: npm run bench:zookeeper -- [--sessions N] [--watches N] [--rate N] [--seconds N] [--runtime bun|node]

  --sessions N  Sessions that watch, all in one process (default 1000)
  --watches N   Watches of each (default 100)
  --rate N      Changes a second (default 10000)
  --seconds N   How long (default 60)
  --runtime R   Of kvlab/zookeeper: bun or node (default bun)

One server of ZooKeeper that does not wait for its disk. Each watch has a znode of its own, so each change is told once.
Three take turns: kvlab/zookeeper with recursive watches; the same with one-shot watches, which are set again by a read
after each change; and kazoo with those, as kazoo 2.8 of Debian has no others. Of each: memory of the watching process
with all sessions, with all watches, and at the end; its CPU time for a change, in microseconds; changes made a second,
which are fewer than asked for when too many wait for an answer or a watch; those that no watch was told of within
a minute; and milliseconds from the call of set until the listener is called. Needs Linux, and the Debian packages
zookeeper and python3-kazoo.
`;

/** So long may it take to set up, and to tell what is late. */
const patienceMs = 60_000;
const writerCount = 8;
/** For the znodes and watches of 100,000, with room. */
const heapMb = 1024;

const sides: readonly { readonly name: string; readonly kind: WatcherKind }[] = [
  { name: "kvlab/zookeeper, recursive", kind: "recursive" },
  { name: "kvlab/zookeeper, one-shot", kind: "one-shot" },
  { name: "kazoo, one-shot", kind: "kazoo" },
];

const commandLine = new CommandLine("bench:zookeeper", HELP);
const options = readOptions();
commandLine.needs(["zookeeper", "kazoo"]);
await run();
process.exit(0);

function readOptions() {
  const { sessions, watches, rate, seconds, runtime } = commandLine.read({
    sessions: { type: "string", default: "1000" },
    watches: { type: "string", default: "100" },
    rate: { type: "string", default: "10000" },
    seconds: { type: "string", default: "60" },
    runtime: { type: "string", default: "bun" },
  });
  if (runtime !== "bun" && runtime !== "node")
    commandLine.fail(`--runtime is ${runtime}; it must be bun or node`);
  return {
    sessions: commandLine.count("sessions", sessions),
    watches: commandLine.count("watches", watches),
    rate: commandLine.count("rate", rate),
    seconds: commandLine.seconds("seconds", seconds),
    runtime: runtime as Runtime,
  };
}

async function run(): Promise<void> {
  progress("ZooKeeper starts");
  const zookeeper = await startZooKeeper({ tickTimeMs: 2000, heapMb });
  const servers = zookeeper.connectString;
  const writers = await Promise.all(
    Array.from({ length: writerCount }, () => ZooKeeper.connect({ servers })),
  );
  const rows: string[][] = [];
  try {
    progress("znodes are created");
    const [first] = writers;
    if (first !== undefined) await createWatched(first, options.sessions * options.watches);
    for (const { name, kind } of sides) rows.push([name, ...(await measure(name, kind, servers, writers))]);
  } finally {
    await Promise.all(writers.map((writer) => writer.close()));
    await zookeeper.close();
  }
  progress("");
  const head = ["MB: sessions", "watches", "end", "µs/change", "changes/s", "not told", "p50 ms", "p99 ms"];
  console.log(tableOf(["", ...head], rows));
}

async function measure(
  name: string,
  kind: WatcherKind,
  servers: string,
  writers: readonly ZooKeeper[],
): Promise<string[]> {
  const { sessions, watches, rate, seconds, runtime } = options;
  const changes = new SteadyChanges(writers, sessions * watches);
  const watchers = new Watchers({ kind, runtime, servers, sessions, watches }, (index, atMs) =>
    changes.told(index, atMs),
  );
  const megabytes = () => (watchers.memoryBytes / 1e6).toFixed(0);
  try {
    progress(`${name}: sessions`);
    await watchers.connected;
    const connectedMb = megabytes();
    progress(`${name}: watches`);
    await watchers.watching;
    const watchingMb = megabytes();
    progress(`${name}: changes`);
    const cpuBefore = watchers.cpuSeconds;
    const begunMs = performance.now();
    await changes.run(rate, seconds);
    const took = (performance.now() - begunMs) / 1000;
    // What is late after that is not told at all.
    await until("all is told", patienceMs, () => changes.untold === 0).catch(() => {});
    const { p50Ms, p99Ms } = changes.latencies.summary;
    return [
      connectedMb,
      watchingMb,
      megabytes(),
      (((watchers.cpuSeconds - cpuBefore) / changes.sent) * 1e6).toFixed(0),
      (changes.sent / took).toFixed(0),
      `${changes.untold}`,
      p50Ms.toFixed(1),
      p99Ms.toFixed(1),
    ];
  } finally {
    watchers.kill();
  }
}
