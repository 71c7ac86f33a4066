/** Why an operation on keys failed. `src/rpc` turns each into one status of the protocol. */
export type KvErrorCode =
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
  /** The request itself is wrong. */
  | "invalid"
  /** Not done, and will not be while things stand as they do. */
  | "refused";

/** Where a key is served, as far as the node that was asked knows. */
export interface Owner {
  readonly group: string;
  /** `host:port`; undefined when the group has no primary now. */
  readonly address: string | undefined;
  readonly ringVersion: number;
}

export class KvError extends Error {
  override readonly name = "KvError";
  readonly code: KvErrorCode;
  /** Set with `wrong-node`. */
  readonly owner: Owner | undefined;

  constructor(code: KvErrorCode, message: string, options?: { owner?: Owner; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.owner = options?.owner;
  }
}
