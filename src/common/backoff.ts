import { type Clock, sleep } from "./clock.ts";

/** Pauses between attempts: each up to twice as long as the one before, and of random length. */
export interface Backoff {
  /** Returns early when the signal is aborted. */
  wait(signal?: AbortSignal): Promise<void>;
  /** Makes the next pause short again. */
  reset(): void;
}

/**
 * The first pause lasts from half of `firstMs` to `firstMs`. The random half keeps processes that failed together from
 * trying again together.
 */
export function createBackoff(clock: Clock, firstMs: number, longestMs: number): Backoff {
  let limitMs = firstMs;
  return {
    wait(signal) {
      const pauseMs = limitMs * (0.5 + clock.random() / 2);
      limitMs = Math.min(limitMs * 2, longestMs);
      return sleep(clock, pauseMs, signal);
    },
    reset() {
      limitMs = firstMs;
    },
  };
}
