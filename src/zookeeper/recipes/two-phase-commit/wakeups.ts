import type { Clock } from "../../../common/clock.ts";

/** Keys that are worked on at a time. */
const RUNNING_MAX = 32;

/** Works on keys when they are woken: on each once at a time, and again when it was woken meanwhile. */
export class Wakeups {
  readonly #clock: Clock;
  readonly #work: (key: string) => Promise<void>;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #timers = new Map<string, () => void>();
  #isClosed = false;

  constructor(clock: Clock, work: (key: string) => Promise<void>) {
    this.#clock = clock;
    this.#work = work;
  }

  wake(key: string): void {
    if (this.#isClosed) return;
    this.#timers.get(key)?.();
    this.#timers.delete(key);
    this.#waiting.add(key);
    this.#next();
  }

  /** Wakes a key later, unless it is woken before. */
  wakeAfter(key: string, delayMs: number): void {
    if (this.#isClosed) return;
    this.#timers.get(key)?.();
    this.#timers.set(
      key,
      this.#clock.timer(Math.max(1, delayMs), () => this.wake(key)),
    );
  }

  /** Begins nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= RUNNING_MAX) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      this.#work(key).finally(() => {
        this.#running.delete(key);
        this.#next();
      });
    }
  }
}
