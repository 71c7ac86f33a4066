import type { Round } from "../load.ts";
import { median, rateOf } from "../ratios.ts";
import type { CompactionCost } from "./around-compaction.ts";
import type { GrowthStore } from "./store.ts";
import type { GrowthWork } from "./work.ts";

/** What was measured of one size. */
export interface Growth extends Pick<GrowthStore, "keys" | "logBytes" | "openingSeconds" | "catchUpSeconds"> {
  /** In the same order of rounds for all sizes. */
  readonly works: Readonly<Record<GrowthWork, readonly Round[]>>;
  readonly compaction?: CompactionCost;
}

/** Microseconds of CPU time of the primary for a call. */
function cpuMicrosOf({ processes, operations }: Round): number {
  const primary = processes.find(({ role }) => role === "primary");
  return ((primary?.cpuSeconds ?? Number.NaN) * 1e6) / operations;
}

export interface WorkFigures {
  readonly perSecond: number;
  readonly cpuMicros: number;
  /** CPU time for a call, by that of the smallest size in the same round. */
  readonly ratio: number;
}

/** Medians over all rounds. */
export function figuresOf(rounds: readonly Round[], smallest: readonly Round[]): WorkFigures {
  const ratios = rounds.flatMap((round, index) => {
    const other = smallest[index];
    return other === undefined ? [] : [cpuMicrosOf(round) / cpuMicrosOf(other)];
  });
  return {
    perSecond: median(rounds.map(rateOf)),
    cpuMicros: median(rounds.map(cpuMicrosOf)),
    ratio: median(ratios),
  };
}

/** What the primary has in RAM (VmRSS) after a round of puts: the median. */
export function memoryBytesIn({ works }: Growth): number {
  return median(
    works.put.map(
      ({ processes }) => processes.find(({ role }) => role === "primary")?.memoryBytes ?? Number.NaN,
    ),
  );
}

/** By how much memory grows with each key, from the smallest size to this one. NaN of the smallest. */
export function bytesPerKey(growth: Growth, smallest: Growth): number {
  const keys = growth.keys - smallest.keys;
  return keys === 0 ? Number.NaN : (memoryBytesIn(growth) - memoryBytesIn(smallest)) / keys;
}
