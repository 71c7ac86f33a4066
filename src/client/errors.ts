import { Code, ConnectError } from "@connectrpc/connect";
import { HistoryLostSchema } from "../../gen/kvlab/v1/errors_pb.ts";

/** Why a call of the client failed. A key that does not exist is no failure. */
export type KvErrorCode =
  /** The arguments cannot be right; the message says which and what is allowed. Nothing was done. */
  | "invalid"
  /** A key is not as a condition says; `key` and `revision` tell how it is. Nothing was done. */
  | "condition-failed"
  /** The keys could not be served within the deadline. Nothing was done; it can be tried again. */
  | "unavailable"
  /** The deadline passed before there was an answer, and nothing is known to be wrong. Nothing was done. */
  | "deadline"
  /** The server had too much to do within the whole deadline. Nothing was done; try again later, and less. */
  | "exhausted"
  /**
   * A write that may or may not have been applied, or may be yet: attempts were lost on their way, and none that came
   * through before the deadline has settled it.
   */
  | "outcome-unknown"
  /** A watch cannot go on without missing something: read the keys anew, and watch from there. */
  | "history-lost"
  /** The server does not do this, for this caller or at all. Nothing was done. */
  | "refused"
  /** The caller's signal was aborted; `cause` is its reason. What has become of a write is not known. */
  | "aborted"
  /** The client is closed. What has become of a write that was under way is not known. */
  | "closed"
  /** The server failed in a way that nobody has foreseen. */
  | "internal";

/** Everything that the client throws. */
export class KvError extends Error {
  override readonly name = "KvError";
  readonly code: KvErrorCode;
  /** With `condition-failed`: the key that is not as it should be. */
  readonly key: string | undefined;
  /** With `condition-failed`: the key's revision now; undefined when it does not exist. */
  readonly revision: number | undefined;

  constructor(
    code: KvErrorCode,
    message: string,
    options: { cause?: unknown; key?: string; revision?: number | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.key = options.key;
    this.revision = options.revision;
  }

  /** Anything that was thrown as a KvError; one that is a KvError already stays as it is. */
  static from(reason: unknown): KvError {
    if (reason instanceof KvError) return reason;
    if (reason instanceof ConnectError) return fromConnect(reason);
    const message = reason instanceof Error ? reason.message : String(reason);
    return new KvError("internal", message, { cause: reason });
  }
}

function fromConnect(error: ConnectError): KvError {
  return new KvError(codeOf(error), error.rawMessage, { cause: error });
}

function codeOf(error: ConnectError): KvErrorCode {
  switch (error.code) {
    case Code.InvalidArgument:
      return "invalid";
    case Code.OutOfRange:
      return error.findDetails(HistoryLostSchema).length > 0 ? "history-lost" : "invalid";
    case Code.FailedPrecondition:
    case Code.PermissionDenied:
    case Code.Unauthenticated:
    case Code.Unimplemented:
      return "refused";
    case Code.ResourceExhausted:
      return "exhausted";
    case Code.Unavailable:
    case Code.Aborted:
    case Code.Canceled:
      return "unavailable";
    case Code.DeadlineExceeded:
      return "deadline";
    default:
      return "internal";
  }
}
