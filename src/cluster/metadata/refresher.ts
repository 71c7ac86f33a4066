import { CoordinationError } from "../../coordination/coordination.ts";
import { retryOnConnectionLoss, type Task } from "./retry-on-connection-loss.ts";

export interface RefresherOptions<T> extends Pick<Task, "session" | "clock" | "signal"> {
  readonly read: () => Promise<T>;
  /** Told after each read. */
  readonly onRead: () => void;
}

/**
 * A value that is read from the znodes, over lost connections too, whenever it is touched: one read at a time, and one
 * more if it was touched meanwhile, however often. Ends with the session.
 */
export class Refresher<T> {
  readonly #options: RefresherOptions<T>;
  #value: T | undefined;
  #isTouched = false;
  #isReading = false;

  constructor(options: RefresherOptions<T>) {
    this.#options = options;
  }

  /** As last read; undefined before. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Has it read again. */
  touch(): void {
    this.#isTouched = true;
    if (!this.#isReading) void this.#run();
  }

  async #run(): Promise<void> {
    const { signal, read, onRead } = this.#options;
    this.#isReading = true;
    try {
      while (this.#isTouched && !signal.aborted) {
        this.#isTouched = false;
        this.#value = await retryOnConnectionLoss(this.#options, read);
        onRead();
      }
    } catch (error) {
      if (!signal.aborted && !CoordinationError.is(error, "SESSION_EXPIRED", "CLOSED")) throw error;
    } finally {
      this.#isReading = false;
    }
  }
}
