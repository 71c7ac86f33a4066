import type { Clock } from "../../src/common/clock.ts";

/** A clock that stands still until a test moves it. Timers fire in the order of their times. */
export class VirtualClock implements Clock {
  /** By how much the wall clock has jumped. */
  wallOffsetMs = 0;
  #nowMs = 0;
  #seed = 1;
  #timers: { atMs: number; callback: () => void }[] = [];

  /** Timers that have not fired and were not called off. */
  get timerCount(): number {
    return this.#timers.length;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs + this.wallOffsetMs;
  }

  timer(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** The same numbers in every run (a linear congruential generator: Numerical Recipes, §7.1). */
  random(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed / 2 ** 32;
  }

  /** Lets `durationMs` pass, with everything that happens meanwhile. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.#runTimers(endMs, () => false);
    this.#nowMs = endMs;
  }

  /** All processes stand still for so long: what was to happen meanwhile happens when they go on. */
  stop(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  /** Lets time pass until `look` finds something, for `limitMs` at most. */
  async until<T>(what: string, look: () => T | undefined | false, limitMs = 60_000): Promise<T> {
    const startMs = this.#nowMs;
    let found: T | undefined | false;
    await this.#runTimers(startMs + limitMs, () => {
      found = look();
      return found !== undefined && found !== false;
    });
    if (found === undefined || found === false)
      throw new Error(`in ${limitMs} ms it did not happen that ${what}`);
    return found;
  }

  /** Lets time pass until a promise is settled. */
  async settled<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    await this.until("a promise was settled", () => done, limitMs);
    return await promise;
  }

  async #runTimers(endMs: number, isEnough: () => boolean): Promise<void> {
    for (;;) {
      // All that can happen at this moment happens before time moves on.
      await new Promise((resolve) => setImmediate(resolve));
      if (isEnough()) return;
      const next = this.#timers.reduce<{ atMs: number; callback: () => void } | undefined>(
        (earliest, timer) => (earliest === undefined || timer.atMs < earliest.atMs ? timer : earliest),
        undefined,
      );
      if (next === undefined || next.atMs > endMs) return;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
  }
}
