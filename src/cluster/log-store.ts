/**
 * The log of one replica: an append-only list of records with an index from key to place. What `src/cluster` needs of
 * it; `src/cluster/log/` implements it on a disk.
 */

/** A place in a group's log. The empty log ends at {epoch: 0, seq: 0}; the first record has seq 1. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/** One record. `seq` rises by one from record to record, also over epochs; it serves as the key's revision. */
export interface LogRecord extends Position {
  /** `epoch` begins an epoch and names no key. */
  readonly kind: "put" | "delete" | "epoch";
  readonly key: string;
  /** Empty unless `kind` is put. */
  readonly value: Uint8Array;
  /** Whether the value was put as text; false unless `kind` is put. */
  readonly text: boolean;
}

/** Where an epoch begins in a log. A history is a list of these with rising epochs and rising first seqs. */
export interface EpochStart {
  readonly epoch: number;
  readonly firstSeq: number;
}

/** Whom a log belongs to. */
export interface LogIdentity {
  readonly group: string;
  /** Number of the replica in its group. */
  readonly number: number;
  /** Random name of this very log, given when its header was first written. */
  readonly storeId: string;
}

export interface StoredValue {
  readonly value: Uint8Array;
  readonly text: boolean;
  /** `seq` of the record that it comes from. */
  readonly revision: number;
}

/**
 * How the log was found when it was opened. `intact`: as it was left. `torn`: an unfinished end, which was never
 * acknowledged, has been cut off. `damaged`: acknowledged records are missing or unreadable; what comes before the
 * damage can be read, nothing can be appended until a full copy has replaced it.
 */
export type LogCondition =
  | { readonly kind: "intact" }
  | { readonly kind: "torn"; readonly line: number; readonly bytesCut: number }
  | { readonly kind: "damaged"; readonly line: number; readonly reason: string };

export interface LogStore {
  /** Undefined until `adopt`: a new log, or one of the original program. */
  readonly identity: LogIdentity | undefined;
  readonly condition: LogCondition;
  /** The last record handed to `append` (or found on opening), on disk or not. */
  readonly last: Position;
  /** The last record that is on disk. */
  readonly durable: Position;
  /** Records up to here have been compacted or copied: there may be gaps among them. */
  readonly base: Position;
  /** Every epoch of the log, up to `last`. Kept over compaction. */
  readonly epochs: readonly EpochStart[];
  /** Highest epoch that this replica has promised to follow; at least `last.epoch`. */
  readonly promisedEpoch: number;
  /** Number of keys that have a committed value. */
  readonly keyCount: number;
  readonly fileBytes: number;
  /** Bytes that compaction would remove. */
  readonly garbageBytes: number;

  /** Gives a log without identity its header, durably. Errors: it has one already. */
  adopt(identity: Omit<LogIdentity, "storeId">): Promise<void>;

  /** Raises `promisedEpoch`, durably. Does nothing for an epoch that is not higher. */
  promise(epoch: number): Promise<void>;

  /**
   * Appends records, which must continue `last` without a gap. Calls are written in their order; all that wait are
   * written and synced together. Resolves when these records are on disk. `last` moves at once.
   */
  append(records: readonly LogRecord[]): Promise<void>;

  /** Makes records up to `seq` visible to `get`. Everything found on opening is visible from the start. */
  commit(seq: number): void;

  /** The visible value of a key. Reads the disk: may take a moment. */
  get(key: string): Promise<StoredValue | undefined>;

  /** Whether a key has a value once all of the log is committed. */
  willExist(key: string): boolean;

  /** All keys with a visible value, in no order. */
  keys(): IterableIterator<string>;

  /**
   * Records after `afterSeq`, in order, together about `maxBytes` (one at least, if there is one), also those not yet
   * on disk. `afterSeq` must be at least `base.seq`; undefined when compaction has meanwhile passed it.
   */
  read(afterSeq: number, maxBytes: number): Promise<LogRecord[] | undefined>;

  /** Drops all records after `seq`, durably. Errors: `seq` is below `base.seq`, or below what was committed since. */
  truncate(seq: number): Promise<void>;

  /**
   * A reader over everything that is on disk now, for a full copy; unaffected by compaction meanwhile.
   * Every reader must be closed.
   */
  openCopy(): Promise<CopyReader>;

  /**
   * Begins to replace the whole log by a copy. The present log stays valid until the copy is finished; an unfinished
   * copy is forgotten. Beginning another copy drops the one before.
   */
  beginCopy(base: Position, epochs: readonly EpochStart[]): Promise<CopyWriter>;

  /** Rewrites the log without its garbage now, while appends go on. Joins one that is under way. */
  compact(): Promise<void>;

  /** Writes out what waits and releases the file. */
  close(): Promise<void>;
}

export interface CopyReader {
  /** The copy stands for the log up to here. */
  readonly base: Position;
  readonly epochs: readonly EpochStart[];
  /** The next live records with rising seq, about `maxBytes` together; empty at the end. */
  next(maxBytes: number): Promise<LogRecord[]>;
  close(): Promise<void>;
}

export interface CopyWriter {
  /** Adds records with rising seq, gaps allowed. */
  write(records: readonly LogRecord[]): Promise<void>;
  /** Puts the copy in the place of the log, durably. The condition is then `intact`, and all of it is visible. */
  finish(): Promise<void>;
  /** Forgets the copy. */
  abort(): Promise<void>;
}
