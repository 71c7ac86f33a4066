import { type Clock, sleep } from "../../common/clock.ts";

/** Rest after a step that took one. So while clients call, the work takes a quarter of the time at most. */
const restsPerStep = 3;

/** Longest rest: however long its steps take on a busy node, the work goes on. */
const restMsMax = 100;

export interface PacerOptions {
  readonly clock: Clock;
  /** How many calls of clients this node has taken so far. */
  readonly callCount: () => number;
  readonly signal: AbortSignal;
}

/**
 * Makes work in the background give way to the calls of clients: between its steps it rests, for longer the longer they take,
 * while there are calls, and not at all while there are none. How long the calls wait does not count: that would need to be
 * measured first.
 */
export class Pacer {
  readonly #options: PacerOptions;
  #restUntilMs = 0;
  /** Calls of clients that had come when the last step began. */
  #callCount = 0;

  constructor(options: PacerOptions) {
    this.#options = options;
  }

  /** Runs a step, once the rest after the one before is over. One at a time. Rejects when `signal` is aborted before. */
  async run<T>(step: () => Promise<T>): Promise<T> {
    const { clock, callCount, signal } = this.#options;
    const restMs = this.#restUntilMs - clock.monotonicMs();
    if (restMs > 0 && callCount() !== this.#callCount) await sleep(clock, restMs, signal);
    signal.throwIfAborted();
    this.#callCount = callCount();
    const beganMs = clock.monotonicMs();
    try {
      return await step();
    } finally {
      const endedMs = clock.monotonicMs();
      this.#restUntilMs = endedMs + Math.min(restMsMax, restsPerStep * (endedMs - beganMs));
    }
  }
}
