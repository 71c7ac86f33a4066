import { messageOf } from "../../common/message-of.ts";
import { LogFileError, LogStoreError } from "./errors.ts";
import type { LogCondition } from "./model.ts";
import type { LogSettings } from "./options.ts";

/** Where small writes find room and large ones do not, an operator is not told of each of them. */
const fullAgainMs = 60_000;

/** Whether the log can be read and written. */
export class LogHealth {
  readonly #options: LogSettings;
  #condition: LogCondition = { kind: "intact" };
  #failure: LogStoreError | undefined;
  #full: LogStoreError | undefined;
  #toldFullMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: LogSettings) {
    this.#options = options;
  }

  get condition(): LogCondition {
    return this.#condition;
  }

  get isDamaged(): boolean {
    return this.#condition.kind === "damaged";
  }

  /** Why nothing can be written any more. */
  get failure(): LogStoreError | undefined {
    return this.#failure;
  }

  /** Why the last attempt to write found no room; undefined when it found some. */
  get full(): LogStoreError | undefined {
    return this.#full;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A file in this condition has become the log. */
  found(condition: LogCondition): void {
    this.#condition = condition;
  }

  closed(): void {
    this.#isClosed = true;
  }

  /** Throws when nothing may be read any more. */
  checkReadable(): void {
    if (this.#isClosed) throw new LogStoreError("closed", `${this.#options.dbfile} is closed`);
  }

  /** Throws when nothing may be written any more. */
  checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.checkReadable();
  }

  /** Throws when the log must not be changed. */
  checkWritable(): void {
    this.checkOpen();
    const condition = this.#condition;
    if (condition.kind !== "damaged") return;
    throw new LogStoreError(
      "damaged",
      `${this.#options.dbfile} is damaged at line ${condition.line}: ${condition.reason}; ` +
        "it takes nothing before it is repaired or replaced by a snapshot of the primary's log",
    );
  }

  /** There was no room to do `action`, of which nothing is left. Tells the operator, and returns the error. */
  noRoom(action: string, cause: unknown): LogStoreError {
    const { dbfile, log, clock } = this.#options;
    const { message } = LogFileError.from(dbfile, action, cause);
    const nowMs = clock.monotonicMs();
    if (this.#full === undefined && nowMs - this.#toldFullMs >= fullAgainMs) {
      this.#toldFullMs = nowMs;
      log(`${message}; until there is room, writes are refused and reads go on`);
    }
    this.#full = new LogStoreError("full", message, { cause });
    return this.#full;
  }

  /** Something was written. */
  hasRoom(): void {
    if (this.#full === undefined) return;
    this.#full = undefined;
    this.#options.log(`${this.#options.dbfile} has room again`);
  }

  /**
   * Ends all writing: nobody knows what a failed write or sync has left on the disk, and a second try may lie. Tells the
   * process, which must end, and returns the error.
   */
  fail(action: string, cause: unknown): LogStoreError {
    if (this.#failure !== undefined) return this.#failure;
    const message = `cannot ${action} ${this.#options.dbfile}: ${messageOf(cause)}`;
    this.#failure = new LogStoreError("failed", message, { cause });
    this.#options.onFatal(this.#failure);
    return this.#failure;
  }
}
