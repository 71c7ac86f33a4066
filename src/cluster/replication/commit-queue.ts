import { OperationError } from "../metadata/operation-error.ts";

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: OperationError) => void;
}

/** The calls that wait for a record to be committed, in the order of their records. */
export class CommitQueue {
  readonly #waiters: Waiter[] = [];
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
      // The record still waits for its commit, and its bytes with it: only the caller has gone.
      const onAbort = () => {
        const message = "the call ended before the write was committed";
        reject(new OperationError("outcome-unknown", message, { cause: signal.reason }));
      };
      const settle = () => {
        signal.removeEventListener("abort", onAbort);
        this.#bytes -= bytes;
      };
      this.#bytes += bytes;
      this.#add({
        seq,
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
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
      waiter.resolve();
      done++;
    }
    this.#waiters.splice(0, done);
  }

  /** The records after `seq` will never be: it is as if they had never been ordered. */
  withdrawn(seq: number, reason: OperationError): void {
    const first = this.#waiters.findIndex((waiter) => waiter.seq > seq);
    if (first < 0) return;
    for (const waiter of this.#waiters.splice(first)) waiter.reject(reason);
  }

  /** Nobody will say any more what becomes of the rest. */
  end(reason: string): void {
    for (const waiter of this.#waiters.splice(0)) {
      waiter.reject(
        new OperationError("outcome-unknown", `${reason}; the write may or may not have been applied`),
      );
    }
  }
}
