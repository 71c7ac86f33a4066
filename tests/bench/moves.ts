import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { AdminService, type GetRingResponse, type RingRequest } from "../../gen/kvlab/v1/admin_pb.ts";
import { KvClient } from "../../src/client/index.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { progress } from "../support/progress.ts";
import { until } from "../support/until.ts";
import { CommandLine } from "./command-line.ts";
import { Latencies } from "./latencies.ts";
import { type Kvlab, patienceMs, startKvlab } from "./peers/kvlab.ts";
import { cpuSecondsOf } from "./peers/process-stats.ts";
import type { Runtime } from "./runtimes.ts";
import { tableOf } from "./statistics.ts";

const HELP = `Measures how fast keys move between groups when the ring changes.

Usage: npm run bench:moves -- [--keys N] [--rate N] [--callers N] [--replicas N] [--runtime bun|node]

  --keys N      Keys of 20 bytes, with values of 100 (default 1000000)
  --rate N      The rate of the last change, in keys a second (default 20000)
  --callers N   Callers that put the same keys again all the time (default 0: no calls)
  --replicas N  Nodes of each group (default 1)
  --runtime R   bun or node (default bun)

Two groups with the keys, and a third one that enters; then it is drained as fast as possible, enters again, and is drained
at the rate. Of each change, it says how many keys have moved, how that compares with the share of the ring, and how many
that is a second, from the start of the change to its end; and the CPU time of all nodes for a key, in microseconds. With
callers, also how many puts they have made a second, and the 50th and 99th percentile of their times in milliseconds: without a
change, during each, and while the sources remove their keys after it. Needs Linux, and the Debian package zookeeper.
`;

/** Calls at a time while the keys are written. */
const writers = 512;

/** How long callers are measured without a change. */
const aloneMs = 10_000;

const value = "v".repeat(100);

const commandLine = new CommandLine("bench:moves", HELP);
const options = readOptions();
commandLine.needs(["zookeeper"]);
await run();
process.exit(0);

function readOptions() {
  const { keys, rate, callers, replicas, runtime } = commandLine.read({
    keys: { type: "string", default: "1000000" },
    rate: { type: "string", default: "20000" },
    callers: { type: "string", default: "0" },
    replicas: { type: "string", default: "1" },
    runtime: { type: "string", default: "bun" },
  });
  if (runtime !== "bun" && runtime !== "node")
    commandLine.fail(`--runtime is ${runtime}; it must be bun or node`);
  return {
    keys: commandLine.count("keys", keys),
    rate: commandLine.count("rate", rate),
    callers: callers === "0" ? 0 : commandLine.count("callers", callers),
    replicas: commandLine.count("replicas", replicas),
    runtime: runtime as Runtime,
  };
}

async function run(): Promise<void> {
  const { keys, rate, callers, replicas, runtime } = options;
  const name = "third";
  progress("two groups start");
  const kvlab = await startKvlab({ runtime, replicas, groups: 2, name: "kvlab" });
  const transports = createTransports();
  const admin = createClient(AdminService, transports.transportTo(kvlab.router));
  const rows: string[][] = [];
  const puts = new Puts(kvlab.router, keys);
  const change = async (what: string, from: () => Promise<unknown>) => {
    progress(what);
    const before = await admin.getRing({});
    const beforeCpu = await cpuSeconds(kvlab);
    await from();
    const begun = await until("it has begun", patienceMs, async () => {
      const ring = await admin.getRing({});
      return (
        (ring.progress !== undefined || ring.topology?.ringVersion !== before.topology?.ringVersion) && ring
      );
    });
    const startMs = performance.now();
    puts.begin();
    const after = await until("it has ended", patienceMs, async () => {
      const ring = await admin.getRing({});
      const isOver =
        ring.progress === undefined && ring.topology?.ringVersion !== begun.topology?.ringVersion;
      return isOver && ring;
    });
    const seconds = (performance.now() - startMs) / 1000;
    const usedCpu = (await cpuSeconds(kvlab)) - beforeCpu;
    const during = puts.end();
    puts.begin();
    const share = Math.abs(shareOf(after, name) - shareOf(before, name));
    // The sources remove their keys after the change.
    const moved = await until("what has moved is removed", patienceMs, async () => {
      const all = (await admin.getRing({})).groups.map((group) => Number(group.keys ?? 0n));
      return all.reduce((sum, count) => sum + count, 0) === keys && (await movedKeys(admin, name, before));
    });
    rows.push([
      what,
      `${moved}`,
      `${((moved / keys / share) * 100).toFixed(2)} %`,
      seconds.toFixed(1),
      (moved / seconds).toFixed(0),
      ((usedCpu / moved) * 1e6).toFixed(1),
      ...during,
    ]);
    if (callers > 0) rows.push(["then its keys are removed", "", "", "", "", "", ...puts.end()]);
  };
  try {
    await write(kvlab, keys);
    if (callers > 0) {
      puts.run(callers);
      progress("callers without a change");
      await new Promise((resolve) => setTimeout(resolve, aloneMs));
      rows.push(["callers without a change", "", "", "", "", "", ...puts.end()]);
    }
    const request = (given: RingRequest["change"], limit = 0) =>
      admin.changeRing({ request: { change: given, rate: BigInt(limit) } });
    await change("a third group enters", async () => {
      for (let replica = 0; replica < replicas; replica++) await kvlab.add(name);
    });
    await change("it is drained", () => request({ case: "drain", value: name }));
    await change("it enters again", () => request({ case: "add", value: name }));
    await change(`it is drained at ${rate} keys a second`, () =>
      request({ case: "drain", value: name }, rate),
    );
    progress("");
    const ofPuts = callers > 0 ? ["puts/s", "p50 ms", "p99 ms"] : [];
    console.log(tableOf(["", "keys", "of the share", "seconds", "keys/s", "µs/key", ...ofPuts], rows));
  } finally {
    await puts.stop();
    transports.close();
    await kvlab.close();
  }
}

/** Of all nodes so far. */
async function cpuSeconds(kvlab: Kvlab): Promise<number> {
  return (await kvlab.members()).reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
}

function shareOf({ groups }: GetRingResponse, name: string): number {
  return groups.find((group) => group.name === name)?.share ?? 0;
}

/** How many keys the group has more or less than before. */
async function movedKeys(
  admin: { getRing(request: object): Promise<GetRingResponse> },
  name: string,
  before: GetRingResponse,
): Promise<number> {
  const countOf = ({ groups }: GetRingResponse) =>
    Number(groups.find((group) => group.name === name)?.keys ?? 0n);
  return Math.abs(countOf(await admin.getRing({})) - countOf(before));
}

function keyOf(index: number): string {
  return `key-${String(index).padStart(16, "0")}`;
}

/** Callers that overwrite keys all the time, each with one call at a time. */
class Puts {
  readonly #client: KvClient;
  readonly #keys: number;
  #latencies = new Latencies();
  #beganMs = performance.now();
  #isStopped = false;
  #done: Promise<unknown> | undefined;

  constructor(router: string, keys: number) {
    this.#client = new KvClient({ routers: router });
    this.#keys = keys;
  }

  run(callers: number): void {
    this.begin();
    this.#done = Promise.all(Array.from({ length: callers }, () => this.#callOn()));
  }

  async #callOn(): Promise<void> {
    while (!this.#isStopped) {
      const startMs = performance.now();
      await this.#client.put(keyOf(Math.floor(Math.random() * this.#keys)), value);
      this.#latencies.add(performance.now() - startMs);
    }
  }

  /** Only calls from here on count. */
  begin(): void {
    this.#latencies = new Latencies();
    this.#beganMs = performance.now();
  }

  /** Calls a second, and the 50th and 99th percentile of their times, since it began; nothing without callers. */
  end(): string[] {
    if (this.#done === undefined) return [];
    const seconds = (performance.now() - this.#beganMs) / 1000;
    const { p50Ms, p99Ms } = this.#latencies.summary;
    return [(this.#latencies.count / seconds).toFixed(0), p50Ms.toFixed(1), p99Ms.toFixed(1)];
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
    this.#client.close();
  }
}

async function write({ router }: Kvlab, count: number): Promise<void> {
  const client = new KvClient({ routers: router });
  let next = 0;
  const writeOn = async () => {
    for (let index = next++; index < count; index = next++) {
      if (index % 10_000 === 0) progress(`${index} of ${count} keys are written`);
      await client.put(keyOf(index), value);
    }
  };
  await Promise.all(Array.from({ length: writers }, writeOn));
  client.close();
}
