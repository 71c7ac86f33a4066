import { messageOf } from "../../common/message-of.ts";

/** A log file cannot be used as things stand; the message says in one line which file, why, and what is allowed. */
export class LogFileError extends Error {
  override readonly name = "LogFileError";
  readonly path: string;

  /** `problem` follows the path in the message. */
  constructor(path: string, problem: string, options?: { cause?: unknown }) {
    super(`${path}: ${problem}`, options);
    this.path = path;
  }

  /** What the system answered when it was asked to `action` (a verb); errors of this class as they are. */
  static from(path: string, action: string, error: unknown): LogFileError {
    if (error instanceof LogFileError) return error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const hint = hints[code];
    const problem = `cannot ${action}: ${messageOf(error)}${hint === undefined ? "" : `; ${hint}`}`;
    return new LogFileError(path, problem, { cause: error });
  }
}

/** Another process has the log open. */
export class LogInUse extends LogFileError {}

const hints: Readonly<Record<string, string>> = {
  EACCES: "the file and its directory must be writable by this user",
  EPERM: "the file and its directory must be writable by this user",
  EROFS: "it must lie on a file system that can be written to",
  ENOENT: "its directory must exist",
  ENOTDIR: "its directory must be a directory",
  EISDIR: "it must be a file",
  ENOSPC: "free some space first",
  EDQUOT: "free some space first",
  EFBIG: "raise the limit of a file's size (ulimit -f) first",
  EXDEV: "both files must lie on the same file system",
};

/** Why a store refuses an operation. */
export type LogStoreErrorCode =
  /** A write or a sync has failed: nothing is taken any more. The cause has the system's error. */
  | "failed"
  /** There is no room on the disk. Nothing of it has happened, and it may be tried again. The cause has the system's error. */
  | "full"
  /** The log is damaged; see its condition. */
  | "damaged"
  /** The record was dropped by `truncate` or a finished snapshot before it was on disk. */
  | "dropped"
  /** Another snapshot, or the end of the store, has ended this snapshot; or another log has replaced the scan's. */
  | "superseded"
  /** More scans are open, or more has changed under this one, than memory is given to. */
  | "overrun"
  | "closed";

export class LogStoreError extends Error {
  override readonly name = "LogStoreError";
  readonly code: LogStoreErrorCode;

  constructor(code: LogStoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
