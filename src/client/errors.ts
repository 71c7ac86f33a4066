import { Code, ConnectError } from "@connectrpc/connect";
import { HistoryLostSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { messageOf } from "../common/message-of.ts";

/** Why a call of the client failed. That a key does not exist is not an error. */
export type KvErrorCode =
  /** An argument is invalid. The message says which, and what is allowed. Nothing was done. */
  | "invalid"
  /** A condition does not hold. `key` and `revision` say how the key is now. Nothing was done. */
  | "condition-failed"
  /** No server could serve the keys within the deadline. Nothing was done. Try again. */
  | "unavailable"
  /** The deadline passed before an answer came, and no error is known. Nothing was done. */
  | "deadline"
  /** The server was overloaded until the deadline. Nothing was done. Try again later, with less load. */
  | "exhausted"
  /**
   * The write may or may not have been applied, or may still be applied: the answers to some attempts were lost, and no
   * later attempt found out before the deadline.
   */
  | "outcome-unknown"
  /** The watch cannot continue without missing changes. Read the keys again, and watch from there. */
  | "history-lost"
  /** The server does not allow this, to this caller or to anyone. Nothing was done. */
  | "refused"
  /** The caller's signal was aborted. `cause` is its reason. The outcome of a write is not known. */
  | "aborted"
  /** The client is closed. The outcome of a write in flight is not known. */
  | "closed"
  /** The server failed in an unexpected way. */
  | "internal";

/** The error class of the client. It throws no others. */
export class KvError extends Error {
  override readonly name = "KvError";
  readonly code: KvErrorCode;
  /** With `condition-failed`: the key whose condition does not hold. */
  readonly key: string | undefined;
  /** With `condition-failed`: the revision of the key now. Undefined when it does not exist. */
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

  /** Turns anything that was thrown into a KvError. A KvError is returned unchanged. */
  static from(reason: unknown): KvError {
    if (reason instanceof KvError) return reason;
    if (reason instanceof ConnectError) return fromConnect(reason);
    const message = messageOf(reason);
    return new KvError("internal", message, { cause: reason });
  }
}

/** The error of a stream of several groups, with the name of the one that it is of. */
export function ofGroup(group: string, reason: unknown): KvError {
  const error = KvError.from(reason);
  // What ends the whole stream is of no group. And some messages have the name already.
  if (error.code === "aborted" || error.code === "closed" || error.message.includes(`"${group}"`))
    return error;
  return new KvError(error.code, `group "${group}": ${error.message}`, { cause: error.cause });
}

function fromConnect(error: ConnectError): KvError {
  return new KvError(codeOf(error), error.rawMessage, { cause: error });
}

function codeOf(error: ConnectError): KvErrorCode {
  switch (error.code) {
    case Code.InvalidArgument:
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
