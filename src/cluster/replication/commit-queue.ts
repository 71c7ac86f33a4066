import { OperationError } from "../metadata/operation-error.ts";

interface Waiter {
  readonly seq: number;
  readonly bytes: number;
  readonly signal: AbortSignal;
  readonly resolve: () => void;
  readonly reject: (error: OperationError) => void;
}

/** The waiters with the same signal. A listener for each of them would cost as much as its commit. */
interface Callers {
  readonly waiters: Set<Waiter>;
  readonly onAbort: () => void;
}

/** The calls that wait for a record to be committed, in the order of their records. */
export class CommitQueue {
  readonly #waiters: Waiter[] = [];
  readonly #callers = new Map<AbortSignal, Callers>();
  #bytes = 0;

  /** Bytes of all records that are waited for, including those whose callers have gone. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Resolves when `seq` is committed. Errors: outcome-unknown (`signal` was aborted, or the queue ended, before); what
   * `withdrawn` is given.
   */
  wait(seq: number, bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { seq, bytes, signal, resolve, reject };
      // The record still waits for its commit, and its bytes with it, when the caller has gone.
      this.#bytes += bytes;
      this.#add(waiter);
      if (signal.aborted) reject(gone(signal));
      else this.#callersOf(signal).waiters.add(waiter);
    });
  }

  #callersOf(signal: AbortSignal): Callers {
    const known = this.#callers.get(signal);
    if (known !== undefined) return known;
    const waiters = new Set<Waiter>();
    const onAbort = () => {
      this.#callers.delete(signal);
      for (const { reject } of waiters) reject(gone(signal));
    };
    const callers = { waiters, onAbort };
    this.#callers.set(signal, callers);
    signal.addEventListener("abort", onAbort, { once: true });
    return callers;
  }

  /** The waiter waits no more. */
  #settled(waiter: Waiter): void {
    const { signal, bytes } = waiter;
    this.#bytes -= bytes;
    const callers = this.#callers.get(signal);
    if (callers === undefined) return;
    callers.waiters.delete(waiter);
    if (callers.waiters.size > 0) return;
    this.#callers.delete(signal);
    signal.removeEventListener("abort", callers.onAbort);
  }

  /** Nearly always at the end; a request that is sent again waits for a record of long ago. */
  #add(waiter: Waiter): void {
    let index = this.#waiters.length;
    while (index > 0 && (this.#waiters[index - 1]?.seq ?? 0) > waiter.seq) index--;
    this.#waiters.splice(index, 0, waiter);
  }

  /** Everything up to `seq` is committed. */
  committed(seq: number): void {
    let done = 0;
    for (const waiter of this.#waiters) {
      if (waiter.seq > seq) break;
      this.#settled(waiter);
      waiter.resolve();
      done++;
    }
    this.#waiters.splice(0, done);
  }

  /** The records after `seq` will never be: it is as if they had never been ordered. */
  withdrawn(seq: number, reason: OperationError): void {
    const first = this.#waiters.findIndex((waiter) => waiter.seq > seq);
    if (first < 0) return;
    for (const waiter of this.#waiters.splice(first)) {
      this.#settled(waiter);
      waiter.reject(reason);
    }
  }

  /** Nobody will say any more what becomes of the rest. */
  end(reason: string): void {
    for (const waiter of this.#waiters.splice(0)) {
      this.#settled(waiter);
      waiter.reject(
        new OperationError("outcome-unknown", `${reason}; the write may or may not have been applied`),
      );
    }
  }
}

function gone(signal: AbortSignal): OperationError {
  const message = "the call ended before the write was committed";
  return new OperationError("outcome-unknown", message, { cause: signal.reason });
}
