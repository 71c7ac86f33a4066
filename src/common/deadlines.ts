import type { Clock } from "./clock.ts";

/** Something that must end by a time. */
export interface Expiring {
  /** On the monotonic clock. */
  readonly dueMs: number;
  /** Called once when that time has come. */
  expire(): void;
}

/** Least time between two looks at all deadlines, in milliseconds: how late one may be noticed. */
const lookMsMin = 1;

/**
 * The deadlines of many calls, with one timer. Nearly all calls end long before theirs, so the timer is set for the
 * earliest deadline that was known when it was set, and hardly ever touched.
 */
export class Deadlines {
  readonly clock: Clock;
  readonly #waiting = new Set<Expiring>();
  #timerMs = Number.POSITIVE_INFINITY;
  #cancel = () => {};

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(expiring: Expiring): void {
    this.#waiting.add(expiring);
    if (expiring.dueMs < this.#timerMs) this.#setTimer(expiring.dueMs);
  }

  /** To be called when it has ended. */
  delete(expiring: Expiring): void {
    if (this.#waiting.delete(expiring) && this.#waiting.size === 0) this.#stopTimer();
  }

  #setTimer(dueMs: number): void {
    this.#cancel();
    this.#timerMs = dueMs;
    // Timers of whole milliseconds may fire a part of one too early.
    this.#cancel = this.clock.timer(Math.ceil(dueMs - this.clock.monotonicMs()), () => this.#look());
  }

  #stopTimer(): void {
    this.#cancel();
    this.#timerMs = Number.POSITIVE_INFINITY;
  }

  #look(): void {
    this.#stopTimer();
    const nowMs = this.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    const over: Expiring[] = [];
    for (const expiring of this.#waiting) {
      if (expiring.dueMs <= nowMs) over.push(expiring);
      else nextMs = Math.min(nextMs, expiring.dueMs);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#setTimer(Math.max(nextMs, nowMs + lookMsMin));
    // The end of one may be what ends another.
    for (const expiring of over) if (this.#waiting.delete(expiring)) expiring.expire();
  }
}
