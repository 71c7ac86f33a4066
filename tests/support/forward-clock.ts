import { type Clock, systemClock } from "../../src/common/clock.ts";

/** The clock of the system, which a test can put forward: so none waits for a deadline, and none has to hurry. */
export class ForwardClock implements Clock {
  #aheadMs = 0;
  readonly #timers = new Set<{ readonly dueMs: number; readonly fire: () => void }>();

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#aheadMs;
  }

  wallMs(): number {
    return systemClock.wallMs() + this.#aheadMs;
  }

  timer(delayMs: number, callback: () => void): () => void {
    const cancel = () => {
      this.#timers.delete(timer);
      cancelReal();
    };
    const fire = () => {
      cancel();
      callback();
    };
    const timer = { dueMs: this.monotonicMs() + delayMs, fire };
    this.#timers.add(timer);
    const cancelReal = systemClock.timer(delayMs, fire);
    return cancel;
  }

  random(): number {
    return systemClock.random();
  }

  /** Puts it forward, and calls what has come due, in the order of its times. */
  forward(ms: number): void {
    this.#aheadMs += ms;
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= this.monotonicMs());
    for (const timer of due.sort((a, b) => a.dueMs - b.dueMs)) if (this.#timers.has(timer)) timer.fire();
  }
}
