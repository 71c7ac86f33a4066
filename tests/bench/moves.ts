import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { AdminService, type GetRingResponse, type RingRequest } from "../../gen/kvlab/v1/admin_pb.ts";
import { KvClient } from "../../src/client/index.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { until } from "../support/until.ts";
import { CommandLine } from "./command-line.ts";
import { type Kvlab, patienceMs, startKvlab } from "./peers/kvlab.ts";
import { cpuSecondsOf } from "./peers/process-stats.ts";
import { progress } from "./progress.ts";
import type { Runtime } from "./runtimes.ts";
import { tableOf } from "./statistics.ts";

const HELP = `Measures how fast keys move between groups when the ring changes.

Usage: npm run bench:moves -- [--keys N] [--rate N] [--replicas N] [--runtime bun|node]

  --keys N      Keys of 20 bytes, with values of 100 (default 1000000)
  --rate N      The rate of the last change, in keys a second (default 20000)
  --replicas N  Nodes of each group (default 1)
  --runtime R   bun or node (default bun)

Two groups with the keys, and a third one that enters; then it is drained as fast as possible, enters again, and is drained
at the rate. Of each change, it says how many keys have moved, how that compares with the share of the ring, and how many
that is a second, from the start of the change to its end; and the CPU time of all nodes for a key, in microseconds. Needs Linux, and the Debian package zookeeper.
`;

/** Calls at a time while the keys are written. */
const callers = 512;

const commandLine = new CommandLine("bench:moves", HELP);
const options = readOptions();
commandLine.needs(["zookeeper"]);
await run();
process.exit(0);

function readOptions() {
  const { keys, rate, replicas, runtime } = commandLine.read({
    keys: { type: "string", default: "1000000" },
    rate: { type: "string", default: "20000" },
    replicas: { type: "string", default: "1" },
    runtime: { type: "string", default: "bun" },
  });
  if (runtime !== "bun" && runtime !== "node")
    commandLine.fail(`--runtime is ${runtime}; it must be bun or node`);
  return {
    keys: commandLine.count("keys", keys),
    rate: commandLine.count("rate", rate),
    replicas: commandLine.count("replicas", replicas),
    runtime: runtime as Runtime,
  };
}

async function run(): Promise<void> {
  const { keys, rate, replicas, runtime } = options;
  const name = "third";
  progress("two groups start");
  const kvlab = await startKvlab({ runtime, replicas, groups: 2, name: "kvlab" });
  const transports = createTransports();
  const admin = createClient(AdminService, transports.transportTo(kvlab.router));
  const rows: string[][] = [];
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
    const after = await until("it has ended", patienceMs, async () => {
      const ring = await admin.getRing({});
      const isOver =
        ring.progress === undefined && ring.topology?.ringVersion !== begun.topology?.ringVersion;
      return isOver && ring;
    });
    const seconds = (performance.now() - startMs) / 1000;
    const usedCpu = (await cpuSeconds(kvlab)) - beforeCpu;
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
    ]);
  };
  try {
    await write(kvlab, keys);
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
    console.log(tableOf(["", "keys", "of the share", "seconds", "keys/s", "µs/key"], rows));
  } finally {
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

async function write({ router }: Kvlab, count: number): Promise<void> {
  const client = new KvClient({ routers: router });
  const value = "v".repeat(100);
  let next = 0;
  const writeOn = async () => {
    for (let index = next++; index < count; index = next++) {
      if (index % 10_000 === 0) progress(`${index} of ${count} keys are written`);
      await client.put(`key-${String(index).padStart(16, "0")}`, value);
    }
  };
  await Promise.all(Array.from({ length: callers }, writeOn));
  client.close();
}
