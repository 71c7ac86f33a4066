import type { Change } from "./tree.ts";

/** Limit of the data that is written at once: a line of the state file stays far below the longest string. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

interface Outcome {
  readonly changes: readonly Change[];
  readonly deliver: () => void;
}

/**
 * The results of operations, on their way to the sessions. They are delivered in the order of the operations, never
 * during the call of an operation, and only after the changes that they may show are saved. Waiting changes are saved
 * together.
 */
export class Outbox {
  #save: ((changes: readonly Change[]) => Promise<void>) | undefined;
  readonly #onFailure: (error: unknown) => void;
  #waiting: Outcome[] = [];
  #running = false;

  /** If `save` fails, `onFailure` is called first; then everything is delivered without being saved. */
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
        // The caller that got an answer continues before anything later is delivered.
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
