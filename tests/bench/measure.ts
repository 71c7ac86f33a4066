import { cpus } from "node:os";
import type { Round } from "./load.ts";
import { cpuSecondsOf, memoryBytesOf } from "./peers/process-stats.ts";
import type { Side } from "./side.ts";
import type { FigureResult, LoadResult, MeasureOptions, Workload } from "./suite.ts";

export async function measureLoad(
  workload: Workload,
  sides: readonly Side[],
  options: MeasureOptions,
): Promise<LoadResult> {
  const { seconds, progress } = options;
  for (const side of sides) {
    progress(`${workload.name}: ${side.name} warms up`);
    await side.peer.whole();
    await side.prepare(seconds);
  }
  const measured = await inTurns(workload.name, sides, options, async (side) => {
    await side.refill?.();
    await side.peer.whole();
    return await measureSide(side, seconds);
  });
  return { ...workload, kind: "load", sides: measured };
}

/** A way to one figure, of which less is better. */
export interface FigureSide {
  readonly name: string;
  measure(): Promise<number>;
}

export async function measureFigure(
  figure: Pick<FigureResult, "name" | "unit" | "pairs">,
  sides: readonly FigureSide[],
  options: MeasureOptions,
): Promise<FigureResult> {
  const measured = await inTurns(figure.name, sides, options, (side) => side.measure());
  return { ...figure, kind: "figure", sides: measured };
}

/** Measures the sides in turns, so that what else the machine does strikes all alike, and each is first as often. */
async function inTurns<S extends { readonly name: string }, T>(
  what: string,
  sides: readonly S[],
  { rounds, progress }: MeasureOptions,
  measure: (side: S) => Promise<T>,
): Promise<ReadonlyMap<string, readonly T[]>> {
  const measured = new Map<string, T[]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const first = round % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      progress(`${what}: round ${round + 1} of ${rounds}, ${side.name}`);
      measured.get(side.name)?.push(await measure(side));
    }
  }
  return measured;
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
  const [leader] = await side.peer.members();
  return {
    ...load,
    processes,
    otherCores: Math.max(0, busy - own) / tookSeconds,
    leaderChanged: leader?.pid !== members[0]?.pid,
  };
}

/** CPU time that all programs of the machine have used so far. */
function busySeconds(): number {
  const times = cpus().map(({ times: { user, nice, sys, irq } }) => user + nice + sys + irq);
  return times.reduce((sum, ms) => sum + ms, 0) / 1000;
}
