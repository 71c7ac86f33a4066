import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { HistoryRecorder } from "../checker/history.ts";
import { type KeyOperation, keyValueModel } from "../checker/key-value-model.ts";
import { checkLinearizability } from "../checker/linearizability.ts";
import { describeViolation } from "../checker/report.ts";
import { Random } from "../simulation/random.ts";
import { until } from "../support/until.ts";
import { ask, ChaosClient } from "./client.ts";
import { type ChaosCluster, isComplete, startChaosCluster } from "./cluster.ts";
import { type Deed, Nemesis } from "./nemesis.ts";

export interface ChaosOptions {
  readonly seed: number;
  /** How long the faults go on. */
  readonly forMs: number;
  readonly onProgress?: (soFar: Totals) => void;
}

export interface Totals {
  readonly ok: number;
  readonly failed: number;
  /** Writes that nobody can say the outcome of. */
  readonly unknown: number;
  readonly faults: number;
}

export interface ChaosResult extends Totals {
  /** Undefined when everything held; else what did not, in lines of text. */
  readonly violation: readonly string[] | undefined;
  readonly faultsByKind: ReadonlyMap<string, number>;
  /** Changes of primary, the first ones not counted. */
  readonly failovers: number;
  /** The longest time without any call that succeeded. */
  readonly longestGapMs: number;
  /** From the end of the last fault until every key could be used and every node was in sync. */
  readonly healedMs: number;
  /** Logs, data and what the nemesis did; kept when there is a violation. */
  readonly folder: string;
}

const clientCount = 12;
const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`);
const startWithinMs = 60_000;
/** How long a cluster without faults may take until everything works again, on a busy machine. */
const healWithinMs = 60_000;
const surprisesMax = 10;
/** Faults shown before and after what the checker finds. */
const storyMs = 5000;

/** Runs a cluster under faults, and checks all that it has answered. */
export async function runChaos({ seed, forMs, onProgress }: ChaosOptions): Promise<ChaosResult> {
  const cluster = await startChaosCluster();
  let keepFiles = true;
  try {
    const result = await runOn(cluster, seed, forMs, onProgress);
    keepFiles = result.violation !== undefined;
    return result;
  } catch (error) {
    throw new Error(
      `seed ${seed}: ${error instanceof Error ? error.message : error} (see ${cluster.folder})`,
      {
        cause: error,
      },
    );
  } finally {
    await cluster.close(keepFiles);
  }
}

async function runOn(
  cluster: ChaosCluster,
  seed: number,
  forMs: number,
  onProgress: ChaosOptions["onProgress"],
): Promise<ChaosResult> {
  for (const { process } of cluster.servers) process.launch();
  await untilComplete(cluster, startWithinMs);

  const { folder, servers } = cluster;
  const history = new HistoryRecorder<KeyOperation>(() => performance.now());
  const tally = makeTally();
  const surprises = new Set<string>();
  const nemesis = new Nemesis(cluster, seed);
  const clients = Array.from({ length: clientCount }, (_, index) => {
    const random = new Random(`${seed} client ${index}`);
    return new ChaosClient({
      number: index + 1,
      servers,
      keys,
      history,
      random,
      onEnd: tally.count,
      onSurprise: (what) => surprises.add(what),
    });
  });
  const totals = () => ({ ...tally.calls, faults: sum(nemesis.counts.values()) });
  const dead = await watch(cluster, nemesis, forMs, () => onProgress?.(totals()));
  await nemesis.stop();
  const violations = dead === undefined ? [] : [[`${dead} has ended by itself`]];

  const healing = performance.now();
  await cluster.heal();
  try {
    await untilComplete(cluster, healWithinMs);
    await useAll(cluster, history, healWithinMs);
  } catch (error) {
    violations.push([`after the faults: ${error instanceof Error ? error.message : error}`]);
  }
  const healedMs = performance.now() - healing;
  await Promise.all(clients.map((client) => client.stop()));

  const epochs = await epochsServed(cluster);
  if (surprises.size > 0)
    violations.push(["errors that no fault excuses:", ...surprises].slice(0, surprisesMax));
  violations.push(...epochs.twice, ...check(history, nemesis.deeds));
  const deeds = nemesis.deeds.map(line);
  if (violations.length > 0) await appendFile(join(folder, "nemesis.log"), `${deeds.join("\n")}\n`);
  return {
    ...totals(),
    violation: violations.length === 0 ? undefined : violations.flat(),
    faultsByKind: nemesis.counts,
    failovers: epochs.count - new Set(servers.flatMap(({ group }) => group ?? [])).size,
    longestGapMs: tally.longestGapMs(),
    healedMs,
    folder,
  };
}

/** Waits for `forMs`, or until a server has ended that the nemesis has not: returns its name then. */
async function watch(
  { servers }: ChaosCluster,
  nemesis: Nemesis,
  forMs: number,
  onTick: () => void,
): Promise<string | undefined> {
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs) {
    const dead = servers.find(({ process }) => !process.isRunning && !nemesis.holds(process));
    if (dead !== undefined) return dead.process.name;
    onTick();
    const tick = new Promise((resolve) => setTimeout(resolve, 200));
    await Promise.race([tick, nemesis.failed]);
  }
  return undefined;
}

async function untilComplete(cluster: ChaosCluster, timeoutMs: number): Promise<void> {
  await until("all servers are there, and every node is in sync", timeoutMs, async () => {
    const topology = await cluster.topology();
    return topology !== undefined && isComplete(topology);
  });
}

/** Writes and reads every key over every router. */
async function useAll(
  { servers, transports }: ChaosCluster,
  history: HistoryRecorder<KeyOperation>,
  timeoutMs: number,
): Promise<void> {
  const routers = servers.filter(({ group }) => group === undefined);
  for (const [index, { process }] of routers.entries()) {
    const client = createClient(DataService, transports.transportTo(process.address));
    const use = async (asked: KeyOperation): Promise<void> => {
      const id = history.invoke(0, asked);
      try {
        history.complete(id, await ask(client, asked, timeoutMs));
      } catch (error) {
        history.unknown(id);
        throw error;
      }
    };
    for (const key of keys) {
      await use({ kind: "put", key, value: `last-${index}`, result: undefined });
      await use({ kind: "get", key, result: undefined });
    }
  }
}

function check(history: HistoryRecorder<KeyOperation>, deeds: readonly Deed[]): string[][] {
  const verdict = checkLinearizability(keyValueModel, history.history());
  if (verdict.verdict === "linearizable") return [];
  if (verdict.verdict === "undecided") {
    return [[`too long to be checked: the histories of ${verdict.parts.join(", ")}`]];
  }
  const { violation } = verdict;
  const times = violation.conflict.flatMap(({ called, returned }) => [called, returned ?? called]);
  const [from, to] = [Math.min(...times) - storyMs, Math.max(...times) + storyMs];
  const around = deeds.filter(({ atMs }) => atMs > from && atMs < to);
  return [
    [
      ...describeViolation(keyValueModel, violation),
      "",
      "What was done to the cluster meanwhile:",
      ...around.map(line),
    ],
  ];
}

/** From the servers' logs: how many epochs were served, and those that two nodes served. */
async function epochsServed({
  servers,
  folder,
}: ChaosCluster): Promise<{ count: number; twice: string[][] }> {
  const served = new Map<string, string>();
  const twice: string[][] = [];
  for (const { process, group } of servers) {
    if (group === undefined) continue;
    const log = await readFile(join(folder, `${process.name}.log`), "utf8");
    for (const [, epoch] of log.matchAll(/serving as primary of epoch (\d+)/g)) {
      const other = served.get(`${group} ${epoch}`);
      if (other !== undefined) twice.push([`epoch ${epoch}: both ${other} and ${process.name} have served`]);
      served.set(`${group} ${epoch}`, process.name);
    }
  }
  return { count: served.size, twice };
}

function makeTally() {
  const calls = { ok: 0, failed: 0, unknown: 0 };
  let lastMs = performance.now();
  let longestMs = 0;
  return {
    calls,
    count(outcome: "ok" | "failed" | "unknown") {
      calls[outcome]++;
      if (outcome !== "ok") return;
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    },
    longestGapMs: () => longestMs,
  };
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, each) => total + each, 0);
}

function line({ atMs, what }: Deed): string {
  return `${atMs.toFixed(3).padStart(14)}  ${what}`;
}
