import type { Address } from "../../common/address.ts";

/** Why an operation on keys failed. `src/rpc` turns each into one status of the protocol. */
export type OperationErrorCode =
  /** There is no such key. */
  | "not-found"
  /** Another node serves the key; `owner` says which. Not applied. */
  | "wrong-node"
  /** Not applied; may be retried. */
  | "unavailable"
  /** Too much is waiting already. Not applied; may be retried later. */
  | "exhausted"
  /** A write that may or may not have been applied. */
  | "outcome-unknown"
  /** A key is not as a condition of the request says; `key` and `revision` say how it is. Not applied. */
  | "condition-failed"
  /** Whether an earlier attempt was applied cannot be told; this one was not. `revision` is one of the group now. */
  | "request-forgotten"
  /** A watch cannot go on without missing something; `revision` is the oldest that one can be had after. */
  | "history-lost"
  /** More was written during a scan than can be kept apart from it: it can be continued as another. */
  | "scan-overrun"
  /** The request itself is wrong. */
  | "invalid"
  /** Not done, and will not be while things stand as they do. */
  | "refused";

/** Where a key is served, as far as the node that was asked knows. */
export interface Owner {
  readonly group: string;
  /** Undefined when the group has no primary now. */
  readonly address: Address | undefined;
  readonly ringVersion: number;
}

export class OperationError extends Error {
  override readonly name = "OperationError";
  readonly code: OperationErrorCode;
  /** Set with `wrong-node`. */
  readonly owner: Owner | undefined;
  /** Set with `condition-failed`. */
  readonly key: string | undefined;
  /** See the codes; 0 for a key that does not exist. */
  readonly revision: number | undefined;

  constructor(
    code: OperationErrorCode,
    message: string,
    options: { owner?: Owner; key?: string; revision?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.owner = options.owner;
    this.key = options.key;
    this.revision = options.revision;
  }
}
