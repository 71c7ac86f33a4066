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
  /** `seq` in this log of the record whose value this change replaces or removes; 0 when there is none or it is not known. */
  readonly previous: number;
}

/**
 * One record. `seq` rises by one from record to record, also over epochs. The keys that a record changes get its revision:
 * of a copy that of the record it was copied from; of every other record `seq` + ahead, where ahead is that of the last
 * `accept` record at or before it, and 0 before the first one.
 */
export interface LogRecord extends Position {
  /**
   * One atomic step, at most one change for each key. Empty when the record begins an epoch, only answers a request, or
   * says that a move was released or accepted.
   */
  readonly changes: readonly Change[];
  /** The request that the record answers. */
  readonly requestId?: string | undefined;
  /** What the record is to a move of keys between groups. Undefined: nothing. */
  readonly move?: MoveMark | undefined;
}

/** What a record is to a move of keys from one group to another, within the ring change `change`. */
export type MoveMark =
  /** It was copied from a record of another group, which had this revision. Its keys keep that. */
  | { readonly kind: "copy"; readonly revision: number }
  /** Its changes are deletes of keys that belong to another group. */
  | { readonly kind: "forget" }
  /** This group has given the keys of the move to group `to`. No changes. */
  | { readonly kind: "release"; readonly change: number; readonly to: string }
  /** This group has all keys of the move from group `from`, up to a revision of that. No changes. */
  | {
      readonly kind: "accept";
      readonly change: number;
      readonly from: string;
      /** The last revision of `from`. Own records have higher ones from here on. */
      readonly revision: number;
      /** By how much own revisions are higher than seqs from here on. It never falls: a lower one counts as the one before. */
      readonly ahead: number;
      /** `from` has forgotten requests of records up to this revision: see `KeyView.requestsAfter`. */
      readonly requestsAfter: number;
    };

/**
 * An `accept` record, from which on own revisions are so much higher than seqs. In a list of these seqs rise, and ahead never
 * falls.
 */
export interface AheadStart {
  readonly firstSeq: number;
  readonly ahead: number;
}

/** Which moves a log has released and accepted, under the highest ring change that it names. */
export interface Moves {
  /** Id of that ring change; 0: none. */
  readonly change: number;
  /** Groups that keys were released to. */
  readonly released: ReadonlySet<string>;
  /** Groups that keys were accepted from, with their last revision. */
  readonly accepted: ReadonlyMap<string, number>;
}

/** What the records up to some record say of moves, for a log that does not have all of these records. */
export interface MoveSummary extends Moves {
  readonly aheads: readonly AheadStart[];
  /** Requests of records up to this seq are forgotten. */
  readonly forgottenSeq: number;
  /** The highest revision of a copy whose request is forgotten, accepted or not. */
  readonly copiedAfter: number;
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
