import { availableParallelism, cpus } from "node:os";
import type { Load } from "./load.ts";
import { cpuSecondsOf, memoryBytesOf } from "./peers/process-stats.ts";
import type { Side } from "./side.ts";
import { quantile } from "./statistics.ts";
import type { Measure, Workload } from "./workload.ts";

/** One side in one round. */
export interface Round extends Load {
  /** CPU time of each process of the side while it was measured, and its memory (VmRSS) afterwards. */
  readonly processes: readonly {
    readonly role: string;
    readonly cpuSeconds: number;
    readonly memoryBytes: number;
  }[];
  /** Cores that were busy with what has nothing to do with it. */
  readonly otherCores: number;
  /** Somebody else led afterwards: what the round says is of a failover, too. */
  readonly leaderChanged: boolean;
}

export interface Measured {
  readonly workload: Workload;
  /** By name, in the same order of rounds. */
  readonly sides: ReadonlyMap<string, readonly Round[]>;
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Told before each step. */
  readonly progress: (step: string) => void;
}

/** Measures the sides in turns, so that what else the machine does strikes all alike, and each is first as often. */
export async function measure(
  workload: Workload,
  sides: readonly Side[],
  { rounds, seconds, progress }: MeasureOptions,
): Promise<Measured> {
  for (const side of sides) {
    progress(`${workload.name}: ${side.name} warms up`);
    await side.prepare(seconds);
  }
  const measured = new Map<string, Round[]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const first = round % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      progress(`${workload.name}: round ${round + 1} of ${rounds}, ${side.name}`);
      await side.refill?.();
      measured.get(side.name)?.push(await measureSide(side, seconds));
    }
  }
  return { workload, sides: measured };
}

async function measureSide(side: Side, seconds: number): Promise<Round> {
  const members = await side.peer.members();
  const before = members.map(({ pid }) => cpuSecondsOf(pid));
  const [busyBefore, begunMs] = [busySeconds(), performance.now()];
  const load = await side.measure(seconds);
  const busy = busySeconds() - busyBefore;
  const tookSeconds = (performance.now() - begunMs) / 1000;
  const processes = members.map(({ role, pid }, index) => ({
    role,
    cpuSeconds: cpuSecondsOf(pid) - (before[index] ?? 0),
    memoryBytes: memoryBytesOf(pid),
  }));
  const own = processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, load.clientCpuSeconds);
  const [first] = await side.peer.members();
  return {
    ...load,
    processes,
    otherCores: Math.max(0, busy - own) / tookSeconds,
    leaderChanged: first?.pid !== members[0]?.pid,
  };
}

/** CPU time that all programs of the machine have used so far. */
function busySeconds(): number {
  const times = cpus().map(({ times: { user, nice, sys, irq } }) => user + nice + sys + irq);
  return times.reduce((sum, ms) => sum + ms, 0) / 1000;
}

/** How our side compares with another: above 1 is better than it, whether the measure is a rate or a time. */
export interface Ratio {
  readonly ours: string;
  readonly theirs: string;
  /** Of each round. */
  readonly rounds: readonly number[];
  readonly median: number;
}

export function ratiosOf({ workload, sides }: Measured): Ratio[] {
  return workload.ratios.map(([ours, theirs]) => {
    const [mine = [], others = []] = [sides.get(ours), sides.get(theirs)];
    const rounds = mine.flatMap((round, index) => {
      const other = others[index];
      return other === undefined ? [] : [ratioOf(workload.compared, round, other)];
    });
    return { ours, theirs, rounds, median: median(rounds) };
  });
}

function ratioOf(compared: Measure, mine: Load, other: Load): number {
  if (mine.failures > 0 || other.failures > 0) return Number.NaN;
  switch (compared) {
    case "rate":
      return rateOf(mine) / rateOf(other);
    case "p50":
      return other.latencies.p50Ms / mine.latencies.p50Ms;
    case "p99":
      return other.latencies.p99Ms / mine.latencies.p99Ms;
  }
}

export function rateOf({ operations, seconds }: Load): number {
  return operations / seconds;
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/** What kept a side from being faster, as far as CPU time tells; a client that has no more says nothing of a server. */
export function limitOf(round: Round): string | undefined {
  const clientCores = round.clientCpuSeconds / round.seconds;
  const serverCores = round.processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / round.seconds;
  const busiest = Math.max(0, ...round.processes.map(({ cpuSeconds }) => cpuSeconds)) / round.seconds;
  if (clientCores > 0.9 && clientCores > busiest) return "the client";
  if (clientCores + serverCores + round.otherCores > 0.95 * availableParallelism()) return "all cores";
  return undefined;
}
