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
  /** Nearly always one at most, and made for each call: so no set before there are two. */
  #listener: DeadlineListener | undefined;
  #others: Set<DeadlineListener> | undefined;
  /** Stops listening to what ends it early. */
  readonly #leave: (() => void) | undefined;
  #ended: KvError | undefined;

  /**
   * `limitMs` may be Infinity. `within` ends it early: a caller's signal, whatever its reason, with `aborted`; another
   * deadline with the reason of that one's end.
   */
  constructor(deadlines: Deadlines, limitMs: number, within?: AbortSignal | Deadline) {
    this.#deadlines = deadlines;
    this.#limitMs = limitMs;
    this.dueMs = deadlines.clock.monotonicMs() + limitMs;
    if (within instanceof Deadline) this.#leave = within.onEnd((reason) => this.end(reason));
    else if (within !== undefined) this.#leave = onAbort(within, (cause) => this.end(aborted(cause)));
    if (this.#ended === undefined && limitMs < Number.POSITIVE_INFINITY) deadlines.add(this);
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
    this.#leave?.();
  }
}

/** Calls `listener` once with the reason of the signal. Returns a function that removes the listener. */
function onAbort(signal: AbortSignal, listener: (reason: unknown) => void): () => void {
  const listen = () => listener(signal.reason);
  if (signal.aborted) listen();
  else signal.addEventListener("abort", listen, { once: true });
  return () => signal.removeEventListener("abort", listen);
}

function aborted(cause: unknown): KvError {
  return new KvError("aborted", "the call was aborted", { cause });
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
