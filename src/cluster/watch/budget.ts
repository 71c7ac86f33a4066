import type { Clock } from "../../common/clock.ts";
import { OperationError } from "../metadata/operation-error.ts";

/** Longest wait until others return what they hold. */
const waitMsMax = 30_000;

interface Waiting {
  readonly amount: number;
  readonly begin: () => void;
}

/** A shared amount: bytes of memory, or concurrent reads. First come, first served. */
export class Budget {
  readonly #max: number;
  readonly #what: string;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #taken = 0;

  /** `what`: the amount's name in errors. */
  constructor(max: number, what: string, clock: Clock) {
    this.#max = max;
    this.#what = what;
    this.#clock = clock;
  }

  /** Takes the amount if it is free now. Returns a function that gives it back. */
  tryTake(amount: number): (() => void) | undefined {
    if (this.#waiting.size > 0 || !this.#fits(amount)) return undefined;
    return this.#take(amount);
  }

  /** Takes the amount once it is free, as `tryTake` does. Errors: exhausted; the reason of `signal`. */
  take(amount: number, signal: AbortSignal): Promise<() => void> {
    const given = this.tryTake(amount);
    if (given !== undefined) return Promise.resolve(given);
    return new Promise((resolve, reject) => {
      const waiting = {
        amount,
        begin: () => {
          leave();
          resolve(this.#take(amount));
        },
      };
      const giveUp = (reason: unknown) => {
        leave();
        reject(reason);
      };
      const onAbort = () => giveUp(signal.reason);
      const cancel = this.#clock.timer(waitMsMax, () => {
        giveUp(
          new OperationError(
            "exhausted",
            `no room for ${waitMsMax} ms: ${this.#what} is ${this.#max} at most`,
          ),
        );
      });
      const leave = () => {
        this.#waiting.delete(waiting);
        signal.removeEventListener("abort", onAbort);
        cancel();
      };
      this.#waiting.add(waiting);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  /** An amount above the whole budget is granted alone. */
  #fits(amount: number): boolean {
    return this.#taken === 0 || this.#taken + amount <= this.#max;
  }

  #take(amount: number): () => void {
    this.#taken += amount;
    let isGivenBack = false;
    return () => {
      if (isGivenBack) return;
      isGivenBack = true;
      this.#taken -= amount;
      for (const waiting of this.#waiting) {
        if (!this.#fits(waiting.amount)) break;
        waiting.begin();
      }
    };
  }
}
