import type { Load } from "./load.ts";
import { quantile } from "./statistics.ts";
import type { Measure, Pair, Result } from "./suite.ts";

/** How our side compares with another: above 1 is better than it, whether more is better of what is measured or less. */
export interface Ratio {
  readonly ours: string;
  readonly theirs: string;
  /** Of each round in which both sides have a figure. */
  readonly rounds: readonly number[];
  readonly median: number;
}

export function ratiosOf(result: Result): Ratio[] {
  if (result.kind === "failed") return [];
  if (result.kind === "figure") return ratios(result, (ours, theirs) => theirs / ours);
  return ratios(result, (ours, theirs) => compare(result.compared, ours, theirs));
}

function ratios<T>(
  { pairs, sides }: { readonly pairs: readonly Pair[]; readonly sides: ReadonlyMap<string, readonly T[]> },
  ratioOf: (ours: T, theirs: T) => number,
): Ratio[] {
  return pairs.map(([ours, theirs]) => {
    const others = sides.get(theirs) ?? [];
    const rounds = (sides.get(ours) ?? []).flatMap((mine, index) => {
      const other = others[index];
      return other === undefined ? [] : [ratioOf(mine, other)];
    });
    const known = rounds.filter((ratio) => !Number.isNaN(ratio));
    return { ours, theirs, rounds: known, median: median(known) };
  });
}

/** NaN when a call has failed: what fails is often fast. */
function compare(compared: Measure, ours: Load, theirs: Load): number {
  if (ours.failures > 0 || theirs.failures > 0) return Number.NaN;
  switch (compared) {
    case "rate":
      return rateOf(ours) / rateOf(theirs);
    case "p50":
      return theirs.latencies.p50Ms / ours.latencies.p50Ms;
    case "p99":
      return theirs.latencies.p99Ms / ours.latencies.p99Ms;
  }
}

export function rateOf({ operations, seconds }: Load): number {
  return operations / seconds;
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}
