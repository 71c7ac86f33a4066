import { setImmediate } from "node:timers";
import type { Clock } from "../../src/common/clock.ts";

export interface SkippingClock extends Clock {
  /** Resolves once no timer is set and nothing is left to do that needs no timer, network or disk. */
  idle(): Promise<void>;
}

/**
 * A clock that jumps to its next timer as soon as nothing else is left to do, so that tests never wait. The same calls
 * give the same times and the same random numbers.
 */
export function skippingClock(seed = 1): SkippingClock {
  const timers = new Map<number, { dueMs: number; callback: () => void }>();
  let nowMs = 0;
  let lastId = 0;
  let isRunning = false;
  let whenIdle: (() => void)[] = [];
  let random = seed;

  const run = () => {
    isRunning = true;
    // Everything that is left to do in microtasks has been done by then.
    setImmediate(() => {
      isRunning = false;
      let next: [number, { dueMs: number; callback: () => void }] | undefined;
      for (const timer of timers) if (next === undefined || timer[1].dueMs < next[1].dueMs) next = timer;
      if (next === undefined) {
        const told = whenIdle;
        whenIdle = [];
        for (const tell of told) tell();
      } else {
        const [id, { dueMs, callback }] = next;
        timers.delete(id);
        nowMs = Math.max(nowMs, dueMs);
        callback();
        run();
      }
    });
  };
  const wake = () => {
    if (!isRunning) run();
  };

  return {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    timer(delayMs, callback) {
      const id = ++lastId;
      timers.set(id, { dueMs: nowMs + delayMs, callback });
      wake();
      return () => timers.delete(id);
    },
    random() {
      random = (random * 48271) % 2147483647; // Park and Miller's generator.
      return random / 2147483647;
    },
    idle: () =>
      new Promise((resolve) => {
        whenIdle.push(resolve);
        wake();
      }),
  };
}
