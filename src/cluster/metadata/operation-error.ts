import type { Address } from "../../common/address.ts";

/** Why an operation on keys failed. `src/rpc` turns each into one status of the protocol. */
export type OperationErrorCode =
  /** There is no such key. */
  | "not-found"
  /** Another node serves the key. `owner` says which. Not applied. */
  | "wrong-node"
  /** Not applied. May be retried. */
  | "unavailable"
  /** Overloaded, or the disk is full. Not applied. May be retried later. */
  | "exhausted"
  /** A write that may or may not have been applied. */
  | "outcome-unknown"
  /** A condition does not hold. `key` and `revision` say how the key is now. Not applied. */
  | "condition-failed"
  /** This attempt was not applied. It is not known whether an earlier one was. `revision`: the group's revision now. */
  | "request-forgotten"
  /** A watch cannot continue without missing changes. `revision`: the oldest one after which a watch can begin. */
  | "history-lost"
  /** Too much was written during a scan to keep its snapshot. A new scan can continue. */
  | "scan-overrun"
  /** A recovery would lose data, and this loss was not accepted. `loss` says which. Not done. */
  | "data-loss"
  /** The request is invalid. */
  | "invalid"
  /** Not done. A retry would be refused too, until something changes. */
  | "refused";

/** Where a key is served, as far as this node knows. */
export interface Owner {
  readonly group: string;
  /** Undefined when the group has no primary now. */
  readonly address: Address | undefined;
  readonly ringVersion: number;
}

/** What a group would lose if it were recovered now. */
export interface DataLoss {
  /** Epoch of the group now. */
  readonly epoch: number;
  /** The last record that the recovered group would have. */
  readonly last: { readonly epoch: number; readonly seq: number };
  /** What would be lost, in words. */
  readonly loss: string;
}

export class OperationError extends Error {
  override readonly name = "OperationError";
  readonly code: OperationErrorCode;
  /** Set with `wrong-node`. */
  readonly owner: Owner | undefined;
  /** Set with `condition-failed`. */
  readonly key: string | undefined;
  /** See the codes. 0 for a key that does not exist. */
  readonly revision: number | undefined;
  /** Set with `data-loss`. */
  readonly loss: DataLoss | undefined;

  constructor(
    code: OperationErrorCode,
    message: string,
    options: { owner?: Owner; key?: string; revision?: number; loss?: DataLoss; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.owner = options.owner;
    this.key = options.key;
    this.revision = options.revision;
    this.loss = options.loss;
  }
}

/** The error with which a node refuses what another one asks of it. `reason`: why, in words. */
export function refused(reason: string): OperationError {
  return new OperationError("refused", reason);
}
