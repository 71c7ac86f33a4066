import type { OpenLoop } from "../open-loop.ts";

export interface CompactionCost {
  readonly seconds: number;
  /** The slowest put that was under way during it. */
  readonly slowestMs: number;
  /** The slowest of an equally long time before it, or of as much of that as there was load in. */
  readonly slowestBeforeMs: number;
  readonly secondsBefore: number;
}

/** What a compaction has cost those who put meanwhile. */
export function aroundCompaction(
  puts: OpenLoop["successes"],
  { begunMs, endedMs }: { readonly begunMs: number; readonly endedMs: number },
): CompactionCost {
  const slowest = (some: OpenLoop["successes"]) =>
    some.reduce((most, { sentMs, ackedMs }) => Math.max(most, ackedMs - sentMs), 0);
  const firstMs = puts.reduce((first, { sentMs }) => Math.min(first, sentMs), begunMs);
  const fromMs = Math.max(firstMs, begunMs - (endedMs - begunMs));
  return {
    seconds: (endedMs - begunMs) / 1000,
    slowestMs: slowest(puts.filter(({ sentMs, ackedMs }) => sentMs <= endedMs && ackedMs >= begunMs)),
    slowestBeforeMs: slowest(puts.filter(({ sentMs, ackedMs }) => sentMs >= fromMs && ackedMs < begunMs)),
    secondsBefore: (begunMs - fromMs) / 1000,
  };
}
