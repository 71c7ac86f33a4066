import type { LogStoreError } from "../errors.ts";

/** What is on disk: everything up to this record, the promise of this epoch, the begin of this life. */
export interface Progress {
  readonly seq: number;
  readonly epoch: number;
  readonly life: bigint;
}

export const nothing: Progress = { seq: 0, epoch: 0, life: 0n };

interface Waiter extends Progress {
  readonly resolve: () => void;
  readonly reject: (error: LogStoreError) => void;
}

/** Those who wait for something to be on disk. */
export class Waiters {
  #waiters: Waiter[] = [];

  get isEmpty(): boolean {
    return this.#waiters.length === 0;
  }

  /** Resolves once all of this is on disk. */
  wait({ seq, epoch, life }: Progress): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ seq, epoch, life, resolve, reject });
    });
  }

  /** Tells those who have what they wait for; and the others why they will not get it, if there is a reason. */
  settle(progress: Progress, reason?: LogStoreError): void {
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (isDone(waiter, progress)) waiter.resolve();
      else if (reason !== undefined) waiter.reject(reason);
      else waiting.push(waiter);
    }
    this.#waiters = waiting;
  }

  /** Tells those who wait for a record after `seq` that it will never be there. */
  drop(seq: number, reason: (seq: number) => LogStoreError): void {
    const dropped = this.#waiters.filter((waiter) => waiter.seq > seq);
    this.#waiters = this.#waiters.filter((waiter) => waiter.seq <= seq);
    for (const waiter of dropped) waiter.reject(reason(waiter.seq));
  }
}

/** Whether all that is wanted is on disk. */
export function isDone(wanted: Progress, { seq, epoch, life }: Progress): boolean {
  return wanted.seq <= seq && wanted.epoch <= epoch && wanted.life <= life;
}
