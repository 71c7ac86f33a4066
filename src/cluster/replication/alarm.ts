import type { Clock } from "../../common/clock.ts";

/** Lets any number of calls wait until it rings the next time. */
export class Alarm {
  readonly #sleepers = new Set<() => void>();

  /** Resolves when it rings, after `timeoutMs`, or when `signal` is aborted. */
  wait(clock: Clock, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#sleepers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = clock.timer(timeoutMs, wake);
      signal.addEventListener("abort", wake, { once: true });
      this.#sleepers.add(wake);
    });
  }

  ring(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
