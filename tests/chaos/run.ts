import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import type { LogRecord } from "../../src/cluster/storage/model.ts";
import { HistoryRecorder } from "../checker/history.ts";
import type { KeyOperation } from "../checker/key-value-model.ts";
import { Random } from "../simulation/world/random.ts";
import { until } from "../support/until.ts";
import { ask, ChaosClient } from "./client.ts";
import { type ChaosCluster, isComplete, startChaosCluster } from "./cluster.ts";
import { Nemesis } from "./nemesis.ts";
import { havePlaces, keysAfter, placesByRing } from "./placed.ts";
import { endRingChanges, RingOperator } from "./ring-operator.ts";
import { epochsServed, judge, lineOf } from "./verdict.ts";
import { recordsOf, startWatchers } from "./watchers.ts";

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
  /** What all watchers together were told. */
  readonly events: number;
  readonly faults: number;
}

export interface ChaosResult extends Totals {
  /** Undefined when everything held; else what did not, in lines of text. */
  readonly violation: readonly string[] | undefined;
  readonly faultsByKind: ReadonlyMap<string, number>;
  /** What an operator has done to the ring, by kind. */
  readonly ringChanges: ReadonlyMap<string, number>;
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
const watcherCount = 50;
const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`);
/** One is enough to fail; a few show what they have in common. */
const surprisesMax = 10;
const startWithinMs = 60_000;
/** How long a cluster without faults may take until everything works again, on a busy machine. */
const healWithinMs = 60_000;

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
  // From before the first write: so the whole log is what they must be told.
  const watchers = await startWatchers(watcherCount, servers, keys, new Random(`${seed} watchers`));
  const nemesis = new Nemesis(cluster, seed);
  const operator = new RingOperator(cluster, seed);
  const clients = Array.from({ length: clientCount }, (_, index) => {
    const random = new Random(`${seed} client ${index}`);
    return new ChaosClient({
      number: index + 1,
      servers,
      keys,
      history,
      random,
      onEnd: tally.count,
      onSurprise: (what) => surprises.size < surprisesMax && surprises.add(`no fault excuses: ${what}`),
    });
  });
  const totals = () => ({
    ...tally.calls,
    events: watchers.eventCount,
    faults: sum(nemesis.counts.values()),
  });
  const violation: string[] = [];
  const dead = await watch(cluster, nemesis, forMs, () => onProgress?.(totals()));
  await Promise.all([nemesis.stop(), operator.stop()]);
  const deeds = [...nemesis.deeds, ...operator.deeds].sort((a, b) => a.atMs - b.atMs);
  if (dead !== undefined) violation.push(`${dead} has ended by itself:`, ...(await lastWords(folder, dead)));

  const healing = performance.now();
  let places: ReadonlyMap<string, readonly string[]> | undefined;
  try {
    await cluster.heal();
    await untilComplete(cluster, healWithinMs);
    await useAll(cluster, history, healWithinMs);
    await until("no change of the ring is under way", healWithinMs, () => endRingChanges(cluster));
    await Promise.all(clients.map((client) => client.stop()));
    await useAll(cluster, history, healWithinMs, "end");
    await until("every watcher knows the last write of every key", healWithinMs, async () => {
      return keys.every((key) => watchers.allKnow(key, "end"));
    });
    places = await until("a router answers", healWithinMs, () => placesByRing(cluster, keys));
    const byRing = places;
    await until(`no group has other keys than the ring says: ${shown(places)}`, healWithinMs, () =>
      havePlaces(cluster, byRing),
    );
  } catch (error) {
    violation.push(`after the faults: ${error instanceof Error ? error.message : error}`);
  }
  const healedMs = performance.now() - healing;
  await Promise.all(clients.map((client) => client.stop()));
  violation.push(...(await watchers.stop()));
  await Promise.all(servers.map(({ process }) => process.kill()));
  const logs = await logsOf(cluster);
  violation.push(
    ...watchers.compare([...new Map(logs.map(({ group, records }) => [group, records])).values()]),
  );
  for (const { name, group, records } of places === undefined ? [] : logs) {
    const [found, wanted] = [keysAfter(records).join(), [...(places?.get(group) ?? [])].sort().join()];
    if (found !== wanted) violation.push(`${name} has the keys ${found}; by the ring ${wanted}`);
  }

  const epochs = await epochsServed(cluster);
  violation.push(...epochs.twice, ...surprises, ...judge(history, deeds));
  await writeFile(join(folder, "nemesis.log"), deeds.map((deed) => `${lineOf(deed)}\n`).join(""));
  return {
    ...totals(),
    violation: violation.length === 0 ? undefined : violation,
    faultsByKind: nemesis.counts,
    ringChanges: operator.counts,
    failovers: epochs.count - new Set(servers.flatMap(({ group }) => group ?? [])).size,
    longestGapMs: tally.longestGapMs(),
    healedMs,
    folder,
  };
}

interface ReadLog {
  readonly name: string;
  readonly group: string;
  readonly records: readonly LogRecord[];
}

/** The logs of all nodes, as they have them on disk. */
async function logsOf({ servers, folder }: ChaosCluster): Promise<ReadLog[]> {
  const logs: ReadLog[] = [];
  for (const { group, process } of servers) {
    if (group === undefined) continue;
    const { name } = process;
    logs.push({ name, group, records: await recordsOf(join(folder, `${name}.db`)) });
  }
  return logs;
}

function shown(places: ReadonlyMap<string, readonly string[]>): string {
  return [...places].map(([group, keys]) => `${group}: ${keys.join(" ")}`).join("; ");
}

/** The end of a server's log. */
async function lastWords(folder: string, name: string): Promise<string[]> {
  const log = await readFile(join(folder, `${name}.log`), "utf8");
  return log.trimEnd().split("\n").slice(-10);
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

/** Writes and reads every key over every router; the last of the writes has `value`. */
async function useAll(
  { servers, transports }: ChaosCluster,
  history: HistoryRecorder<KeyOperation>,
  timeoutMs: number,
  value = "last",
): Promise<void> {
  const routers = servers.filter(({ group }) => group === undefined);
  for (const [index, { process }] of routers.entries()) {
    const client = createClient(DataService, transports.transportTo(process.address));
    // What was killed last may still be in the topology: a call that breaks with it is made again.
    const use = (asked: KeyOperation): Promise<boolean> =>
      until(`${asked.kind} ${asked.key} is answered`, timeoutMs, async () => {
        const id = history.invoke(0, asked);
        try {
          history.complete(id, await ask(client, asked, timeoutMs));
          return true;
        } catch {
          history.unknown(id);
          return false;
        }
      });
    for (const key of keys) {
      await use({
        kind: "put",
        key,
        value: index + 1 < routers.length ? `${value}-${index}` : value,
        result: undefined,
      });
      await use({ kind: "get", key, result: undefined });
    }
  }
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
