/** What a log holds: its records, where it stands, and whom it belongs to. */

/** A place in a group's log. The empty log ends at {epoch: 0, seq: 0}; the first record has seq 1. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/** What a record does to one key. */
export interface Change {
  /** `expire` removes a key whose time is over. */
  readonly kind: "put" | "delete" | "expire";
  readonly key: string;
  /** Empty unless `kind` is put. */
  readonly value: Uint8Array;
  /** Whether the value was put as text; false unless `kind` is put. */
  readonly text: boolean;
  /** Of a put: when the key expires, in milliseconds since 1970. Undefined: never. */
  readonly expiresMs?: number | undefined;
  /** `seq` of the record whose value this change replaces or removes; 0 when there is none or it is not known. */
  readonly previous: number;
}

/** One record. `seq` rises by one from record to record, also over epochs; it is the revision of the keys it changes. */
export interface LogRecord extends Position {
  /** One atomic step, at most one change for each key. Empty when the record begins an epoch or only answers a request. */
  readonly changes: readonly Change[];
  /** The request that the record answers. */
  readonly requestId?: string | undefined;
}

/** Where an epoch begins in a log. In a list of these both epochs and first seqs rise. */
export interface EpochStart {
  readonly epoch: number;
  readonly firstSeq: number;
}

/** Whom a log belongs to. */
export interface LogIdentity {
  readonly group: string;
  /** Number of the replica in its group. */
  readonly number: number;
  /** Random name of this log, given when its header was first written. */
  readonly storeId: string;
  /** Id of the cluster; undefined in a log of an earlier version, until `adopt`. */
  readonly cluster?: string | undefined;
  /** Whether `kvlab log repair` has made this log of the good records of another: any record may be missing. */
  readonly repaired?: boolean | undefined;
}

/** Whom a log is given to. */
export interface LogOwner {
  readonly cluster: string;
  readonly group: string;
  readonly number: number;
}

/**
 * How the log was found when it was opened. `intact`: as it was left. `torn`: an unfinished end, which was never
 * acknowledged, was cut off. `damaged`: acknowledged records are missing or unreadable; the records before the damage
 * can be read, and nothing can be appended until a snapshot has replaced the log.
 */
export type LogCondition =
  | { readonly kind: "intact" }
  | { readonly kind: "torn"; readonly line: number; readonly bytesCut: number }
  | { readonly kind: "damaged"; readonly line: number; readonly reason: string };
