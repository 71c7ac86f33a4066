import { CoordinationError } from "../../coordination/coordination.ts";
import { retryOnConnectionLoss, type Task } from "./retry-on-connection-loss.ts";

export interface RefresherOptions<T> extends Pick<Task, "session" | "clock" | "signal"> {
  readonly read: () => Promise<T>;
  /** Called after each read. */
  readonly onRead: () => void;
}

/**
 * A value that is read from the znodes whenever it is touched, with retries after lost connections. One read at a time. If
 * it is touched during a read, however often, there is one more read. It ends with the session.
 */
export class Refresher<T> {
  readonly #options: RefresherOptions<T>;
  #value: T | undefined;
  #isTouched = false;
  #isReading = false;

  constructor(options: RefresherOptions<T>) {
    this.#options = options;
  }

  /** The value as last read. Undefined before the first read. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Makes it read again. */
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
