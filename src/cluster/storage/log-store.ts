/**
 * The log of one replica: an append-only list of records with an index from key to place. What `src/cluster` needs of
 * it; `open.ts` and what lies below implement it on a disk.
 */

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
  /** `seq` of the record with the value that this one replaces or removes; 0 when there is none, or it is not known. */
  readonly previous: number;
}

/** One record. `seq` rises by one from record to record, also over epochs; it serves as the revision of its keys. */
export interface LogRecord extends Position {
  /** One step, at most one for each key. None when the record begins an epoch, or is only kept for its request. */
  readonly changes: readonly Change[];
  /** Of the request that the record answers. */
  readonly requestId?: string | undefined;
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
  /** Id of the cluster; undefined in a log of an earlier version, until `adopt`. */
  readonly cluster?: string | undefined;
  /** Whether `kvlab log repair` has made the log of what was good of another: records may be missing anywhere in it. */
  readonly repaired?: boolean | undefined;
}

/** Whom a log is given to. */
export interface LogOwner {
  readonly cluster: string;
  readonly group: string;
  readonly number: number;
}

export interface StoredValue {
  readonly value: Uint8Array;
  readonly text: boolean;
  /** When the key expires, in milliseconds since 1970. Undefined: never. */
  readonly expiresMs?: number | undefined;
  /** `seq` of the record that it comes from. */
  readonly revision: number;
}

/** What is known of a key without reading its value. */
export interface KeyFacts {
  readonly revision: number;
  readonly expiresMs: number | undefined;
}

/** Keys in the order of their UTF-8 bytes: those that satisfy all that is set. */
export interface KeyRange {
  readonly prefix?: string | undefined;
  /** The first one. */
  readonly start?: string | undefined;
  /** The first one that is not in the range. */
  readonly end?: string | undefined;
  /** The range begins behind this one: above it; below it in reverse. */
  readonly after?: string | undefined;
  /** From the last key to the first. */
  readonly reverse?: boolean | undefined;
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

/** Is told in the very turn in which it happens. */
export interface LogEndListener {
  /** `written` has moved on. */
  written(): void;
  /** There was no room for the records after `afterSeq`: it is as if they had never been appended. */
  withdrawn(afterSeq: number, reason: Error): void;
}

export interface LogStore {
  /** Undefined until `adopt`: a new log, or one of the original program. */
  readonly identity: LogIdentity | undefined;
  readonly condition: LogCondition;
  /**
   * Whether the file is not the one that its header was written for: somebody has copied it, and another log may have
   * gone on since.
   */
  readonly isCopy: boolean;
  /** The last life that was begun on this log: see `beginLife`. */
  readonly life: string | undefined;
  /** The last record handed to `append` (or found on opening), on disk or not. */
  readonly last: Position;
  /** The last record that is on disk. */
  readonly durable: Position;
  /**
   * The last record that is in the file, on disk or not: there was room for it, so that it will not be withdrawn. Only
   * up to here others may be told of.
   */
  readonly written: Position;
  /** Why there was no room when something was last written; undefined when there was. */
  readonly full: string | undefined;
  /** For how long the disk has done nothing for what waits to be on disk; 0 when nothing does. */
  readonly stalledMs: number;
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

  /**
   * Writes a header that names the owner, durably: of a log without identity; of a copy, which becomes a log of its own
   * with another store id; of one of an earlier version, whose header names no cluster. Errors: it belongs to another.
   */
  adopt(owner: LogOwner): Promise<void>;

  /**
   * Notes, durably, that a process has registered with this log as this incarnation. Of two copies of a log the one that
   * does not know the later incarnation is known to be the older one.
   */
  beginLife(incarnation: string): Promise<void>;

  /** Raises `promisedEpoch`, durably. Does nothing for an epoch that is not higher. */
  promise(epoch: number): Promise<void>;

  /**
   * Throws what `append` would refuse now, before anybody counts on it. Errors: RangeError (no log can hold the
   * record), LogStoreError (this one takes nothing).
   */
  check(record: LogRecord): void;

  /**
   * Appends records, which must continue `last` without a gap. Calls are written in their order; all that wait are
   * written and synced together. Resolves when these records are on disk. `last` moves at once.
   * Errors: LogStoreError `full` (there was no room: all that was not written yet is withdrawn), `failed`, `dropped`.
   */
  append(records: readonly LogRecord[]): Promise<void>;

  /** Makes records up to `seq` visible to `get`. Everything found on opening is visible from the start. */
  commit(seq: number): void;

  /** The last visible record. */
  readonly visible: Position;

  /**
   * Calls `listener` with each record in the turn in which it becomes visible, but just before: `get` finds the values
   * that it replaces. Returns how to end that.
   */
  onVisible(listener: (record: LogRecord) => void): () => void;

  /** Lets `listener` be told how the end of the log moves by itself. Returns how to end that. */
  onEnd(listener: LogEndListener): () => void;

  /** The visible value of a key. Reads the disk: may take a moment. */
  get(key: string): Promise<StoredValue | undefined>;

  /**
   * How to read the value that is visible now, later, when it may be replaced: resolves to undefined once a rewriting of
   * the log has moved or removed it. Undefined when the key has no value.
   */
  valueLater(key: string): (() => Promise<StoredValue | undefined>) | undefined;

  /** What a key is once all of the log is committed; undefined when it does not exist then. */
  pendingFacts(key: string): KeyFacts | undefined;

  /** Visible keys, of a range if one is given, that expire up to `nowMs`; at most `max`, in the order of their bytes. */
  expired(nowMs: number, max: number, range?: KeyRange): string[];

  /** `seq` of the record, committed or not, that answers a request, if it is after `requestsAfter`. */
  seqOfRequest(requestId: string): number | undefined;

  /** The requests of all records after this `seq` are known: those of the last 100,000 that have one, at least. */
  readonly requestsAfter: number;

  /**
   * A reader over the visible keys of a range as they are in this turn, unaffected by what is written meanwhile. Cost
   * follows what is read. Every reader must be closed. Errors: LogStoreError `overrun` (too many readers).
   */
  openScan(range: KeyRange): ScanReader;

  /** All keys with a visible value, in no order. */
  keys(): IterableIterator<string>;

  /**
   * Records after `afterSeq` up to `written`, in order, together about `maxBytes` (one at least, if there is one).
   * `afterSeq` must be at least `base.seq`; undefined when compaction has meanwhile passed it.
   */
  read(afterSeq: number, maxBytes: number): Promise<LogRecord[] | undefined>;

  /** Drops all records after `seq`, durably. Errors: `seq` is below `base.seq`, or below what was committed since. */
  truncate(seq: number): Promise<void>;

  /**
   * A reader over everything that is on disk now, for a full copy; unaffected by compaction meanwhile.
   * Every reader must be closed.
   */
  openSnapshot(): Promise<SnapshotReader>;

  /**
   * Begins to replace the whole log by a copy. The present log stays valid until the copy is finished; an unfinished
   * copy is forgotten. Beginning another copy drops the one before.
   */
  beginSnapshot(head: SnapshotHead): Promise<SnapshotWriter>;

  /** Rewrites the log without its garbage now, while appends go on. Joins one that is under way. */
  compact(): Promise<void>;

  /** Writes out what waits and releases the file. */
  close(): Promise<void>;
}

/** What goes ahead of the records of a copy. */
export interface SnapshotHead {
  /** The copy stands for the log up to here. */
  readonly base: Position;
  readonly epochs: readonly EpochStart[];
  /** See `LogStore.requestsAfter`. */
  readonly requestsAfter: number;
}

export interface SnapshotReader extends SnapshotHead {
  /** The next live records with rising seq, about `maxBytes` together; empty at the end. */
  next(maxBytes: number): Promise<LogRecord[]>;
  close(): Promise<void>;
}

/** One key of a scan. */
export interface ScannedKey extends KeyFacts {
  readonly key: string;
  /** Reads the value. Valid until the scan is closed. */
  value(): Promise<StoredValue>;
}

export interface ScanReader {
  /** The moment that the scan shows. */
  readonly at: Position;
  /**
   * The next keys in their order, at most `max`; none at the end. Errors: LogStoreError `overrun` (more has been
   * written meanwhile than can be kept apart), `closed`, `superseded` (the log was replaced).
   */
  next(max: number): ScannedKey[];
  close(): Promise<void>;
}

export interface SnapshotWriter {
  /** Adds records with rising seq, gaps allowed. */
  write(records: readonly LogRecord[]): Promise<void>;
  /** Puts the copy in the place of the log, durably. The condition is then `intact`, and all of it is visible. */
  finish(): Promise<void>;
  /** Forgets the copy. */
  abort(): Promise<void>;
}
