import { wholeTimerMs } from "../common/clock.ts";
import type { Deadlines, Expiring } from "../common/deadlines.ts";
import { KvError } from "./errors.ts";

/** Is told of the end of a deadline, once. */
export interface DeadlineListener {
  ended(reason: KvError): void;
}

/** The end of a call: after a time limit that counts from now, or when its caller cancels it or the client closes. */
export class Deadline implements Expiring {
  /** Infinity if there is no limit. */
  readonly dueMs: number;
  readonly #deadlines: Deadlines;
  readonly #limitMs: number;
  readonly #signal: AbortSignal | undefined;
  /** Nearly always one at most, and made for each call: so no set before there are two. */
  #listener: DeadlineListener | undefined;
  #others: Set<DeadlineListener> | undefined;
  readonly #onAbort: (() => void) | undefined;
  #ended: KvError | undefined;

  /** `limitMs` may be Infinity. If the reason of `signal` is a KvError, it is the reason of the end. */
  constructor(deadlines: Deadlines, limitMs: number, signal?: AbortSignal) {
    this.#deadlines = deadlines;
    this.#limitMs = limitMs;
    this.dueMs = deadlines.clock.monotonicMs() + limitMs;
    this.#signal = signal;
    if (signal !== undefined) {
      this.#onAbort = () => this.#abort(signal.reason);
      if (signal.aborted) {
        this.#onAbort();
        return;
      }
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
    if (limitMs < Number.POSITIVE_INFINITY) deadlines.add(this);
  }

  /** Why it has ended. Undefined while it has not. */
  get ended(): KvError | undefined {
    return this.#ended;
  }

  /** Whole milliseconds left, from 1 to the longest that a timer can count. Undefined if there is no limit. */
  remainingMs(): number | undefined {
    if (this.dueMs === Number.POSITIVE_INFINITY) return undefined;
    return wholeTimerMs(this.dueMs - this.#deadlines.clock.monotonicMs());
  }

  /** Calls `listener` once at the end, or at once if it has ended. Returns a function that removes the listener. */
  onEnd(listener: (reason: KvError) => void): () => void {
    if (this.#ended !== undefined) {
      listener(this.#ended);
      return () => {};
    }
    const entry = { ended: listener };
    this.addListener(entry);
    return () => this.removeListener(entry);
  }

  /** Must not have ended. */
  addListener(listener: DeadlineListener): void {
    if (this.#listener === undefined) this.#listener = listener;
    else {
      this.#others ??= new Set();
      this.#others.add(listener);
    }
  }

  removeListener(listener: DeadlineListener): void {
    if (this.#listener === listener) this.#listener = undefined;
    else this.#others?.delete(listener);
  }

  /** Settles as `promise` does. Rejects with the reason if the deadline ends first. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = this.onEnd(reject);
      promise.then(resolve, reject).finally(leave);
    });
  }

  /** Its time is over. */
  expire(): void {
    this.end(new KvError("deadline", `no answer within ${this.#limitMs} ms`));
  }

  /** Ends it early. */
  end(reason: KvError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.release();
    const listeners = [this.#listener, ...(this.#others ?? [])];
    this.#listener = undefined;
    this.#others = undefined;
    for (const listener of listeners) listener?.ended(reason);
  }

  /** Call it when nobody waits for the deadline any more. */
  release(): void {
    this.#deadlines.delete(this);
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #abort(reason: unknown): void {
    this.end(
      reason instanceof KvError ? reason : new KvError("aborted", "the call was aborted", { cause: reason }),
    );
  }
}

const signals = new WeakMap<Deadline, AbortSignal>();

/**
 * The signal that is aborted when the deadline ends, for functions that take a signal. There is one: who waits again and
 * again while a server is down must not add a listener each time.
 */
export function signalOf(deadline: Deadline): AbortSignal {
  const known = signals.get(deadline);
  if (known !== undefined) return known;
  const controller = new AbortController();
  deadline.onEnd((reason) => controller.abort(reason));
  signals.set(deadline, controller.signal);
  return controller.signal;
}
