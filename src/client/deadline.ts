import { type Clock, timerMsMax } from "../common/clock.ts";
import { KvError } from "./errors.ts";

/** When a call has to end: in time, or when its caller or the client gives up. Begins to count when it is made. */
export class Deadline {
  readonly #clock: Clock;
  /** Infinity without a limit. */
  readonly #endMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #listeners = new Set<(reason: KvError) => void>();
  #ended: KvError | undefined;
  #cancelTimer = () => {};

  /** `limitMs` may be Infinity. Errors of `signal` that are KvErrors are the reason of the end as they are. */
  constructor(clock: Clock, limitMs: number, signal?: AbortSignal) {
    this.#clock = clock;
    this.#endMs = clock.monotonicMs() + limitMs;
    this.#signal = signal;
    if (signal?.aborted) {
      this.#onAbort();
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (limitMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = clock.timer(limitMs, () =>
      this.end(new KvError("deadline", `no answer within ${limitMs} ms`)),
    );
  }

  /** Why it has ended; undefined while it has not. */
  get ended(): KvError | undefined {
    return this.#ended;
  }

  /** Whole milliseconds that are left, from 1 to what timers can count; undefined without a limit. */
  remainingMs(): number | undefined {
    if (this.#endMs === Number.POSITIVE_INFINITY) return undefined;
    return Math.min(timerMsMax, Math.max(1, Math.ceil(this.#endMs - this.#clock.monotonicMs())));
  }

  /** Calls `listener` once at the end, at once if that was before. Returns how to stop that. */
  onEnd(listener: (reason: KvError) => void): () => void {
    if (this.#ended !== undefined) {
      listener(this.#ended);
      return () => {};
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves as `promise` does. Rejects at the end, with the reason. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = this.onEnd(reject);
      promise.then(resolve, reject).finally(leave);
    });
  }

  /** Ends it early. */
  end(reason: KvError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.release();
    for (const listener of [...this.#listeners]) listener(reason);
    this.#listeners.clear();
  }

  /** To be called when nobody waits any more. */
  release(): void {
    this.#cancelTimer();
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = () => {
    const reason: unknown = this.#signal?.reason;
    this.end(
      reason instanceof KvError ? reason : new KvError("aborted", "the call was aborted", { cause: reason }),
    );
  };
}

/** A signal that is aborted when the deadline ends, for what takes no less. */
export function signalOf(deadline: Deadline): AbortSignal {
  const controller = new AbortController();
  deadline.onEnd((reason) => controller.abort(reason));
  return controller.signal;
}
