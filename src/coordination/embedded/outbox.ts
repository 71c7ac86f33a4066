import type { Change } from "./tree.ts";

/** As much data as is written at once: a line of the state file stays far below the longest string. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

interface Outcome {
  readonly changes: readonly Change[];
  readonly deliver: () => void;
}

/**
 * What operations brought about, on its way to the sessions: delivered in the order of the operations, never while an
 * operation is still being called, and never before the changes that it may show are saved. What waits together is
 * saved together.
 */
export class Outbox {
  #save: ((changes: readonly Change[]) => Promise<void>) | undefined;
  readonly #onFailure: (error: unknown) => void;
  #waiting: Outcome[] = [];
  #running = false;

  /** After an error of `save`, which `onFailure` is told of first, everything is delivered without being saved. */
  constructor(
    save: ((changes: readonly Change[]) => Promise<void>) | undefined,
    onFailure: (error: unknown) => void,
  ) {
    this.#save = save;
    this.#onFailure = onFailure;
  }

  /** `deliver` must not throw. */
  push(changes: readonly Change[], deliver: () => void): void {
    this.#waiting.push({ changes, deliver });
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#batchLength());
      const changes = batch.flatMap((outcome) => outcome.changes);
      try {
        if (changes.length > 0) await this.#save?.(changes);
      } catch (error) {
        this.#save = undefined;
        this.#onFailure(error);
      }
      for (const { deliver } of batch) {
        deliver();
        // Whoever was answered goes on before anything later is told.
        await undefined;
      }
    }
    this.#running = false;
  }

  #batchLength(): number {
    let bytes = 0;
    const tooLong = this.#waiting.findIndex(({ changes }) => {
      for (const change of changes) if (change.kind !== "delete") bytes += change.data.length;
      return bytes > BATCH_BYTES_MAX;
    });
    return tooLong === -1 ? this.#waiting.length : Math.max(tooLong, 1);
  }
}
