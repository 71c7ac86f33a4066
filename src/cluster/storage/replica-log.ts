import type { LogHistory } from "./log-history.ts";
import type { EpochStart, LogCondition, LogIdentity, LogRecord, MoveSummary, Position } from "./model.ts";

/** The log of one replica, for replication: what it has, what it has promised, and how it goes on. */
export interface ReplicaLog extends LogHistory {
  /** Undefined until `adopt`: a new log, or one of the original program. */
  readonly identity: LogIdentity | undefined;
  readonly condition: LogCondition;
  /** The last life that was begun on this log: see `beginLife`. */
  readonly life: string | undefined;
  /** The highest epoch that this replica has promised to follow; at least `last.epoch`. */
  readonly promisedEpoch: number;

  /**
   * The last record that is in the file, synced or not: there was room for it, so it will not be withdrawn. Other nodes
   * may be told of records up to here only.
   */
  readonly written: Position;
  /** The last record that is on disk. */
  readonly durable: Position;
  /**
   * Records up to here are known to be committed, by whichever primary: this process or another. They are never cut off;
   * only a snapshot takes their place.
   */
  readonly committedSeq: number;
  /** Why the last write found no room; undefined when it found some. */
  readonly full: string | undefined;
  /** How long the disk has done nothing for those who wait for it; 0 when nobody waits. */
  readonly stalledMs: number;

  /**
   * Notes durably that a process has registered with this log as this incarnation. Of two copies of one log, the copy
   * that does not know the later incarnation is the older one.
   */
  beginLife(incarnation: string): Promise<void>;

  /** Raises `promisedEpoch` durably. Does nothing when `epoch` is not higher. */
  promise(epoch: number): Promise<void>;

  /**
   * Throws what `append` would refuse now, before anybody counts on it. Errors: RangeError (no log can hold the
   * record), LogStoreError (this log takes nothing).
   */
  check(record: LogRecord): void;

  /**
   * Appends records, which must follow `last` without a gap; `last` moves at once. Resolves when they are on disk. Calls
   * are written in their order, and all that wait are written and synced together.
   * Errors: LogStoreError `full` (there was no room: everything that was not written yet is withdrawn), `failed`,
   * `dropped`.
   */
  append(records: readonly LogRecord[]): Promise<void>;

  /** Says that records up to `seq` are committed, so that they become visible as soon as they are on disk. */
  commit(seq: number): void;

  /** Drops all records after `seq`, durably. Errors: RangeError (one of them is committed). */
  truncate(seq: number): Promise<void>;

  /** Tells `listener` of every move of the log's end that no call has asked for. Returns how to end that. */
  onEnd(listener: LogEndListener): () => void;

  /**
   * Opens a reader over everything that is on disk now; compaction waits for it. Every reader must be closed. `isWanted`:
   * leaves out the changes of other keys, and records that only have such. Then a read may find nothing before the end.
   */
  openSnapshot(isWanted?: (key: string) => boolean): Promise<SnapshotReader>;

  /**
   * Begins to replace the whole log by a snapshot. The log stays as it is until the snapshot is finished; one that never
   * is leaves no trace. Beginning another one ends the one before.
   */
  beginSnapshot(head: SnapshotHead): Promise<SnapshotWriter>;
}

/** Is told in the turn in which it happens. */
export interface LogEndListener {
  /** `written` has moved on. */
  written(): void;
  /** There was no room for the records after `afterSeq`: it is as if they had never been appended. */
  withdrawn(afterSeq: number, reason: Error): void;
}

/** What a snapshot begins with. */
export interface SnapshotHead {
  /** The snapshot stands for the log up to here. */
  readonly base: Position;
  readonly epochs: readonly EpochStart[];
  /** See `KeyView.requestsAfter`. */
  readonly requestsAfter: number;
  /** What the records up to `base` say of moves. Undefined: nothing. */
  readonly moves?: MoveSummary | undefined;
}

export interface SnapshotReader extends SnapshotHead {
  /** Whether everything was read. */
  readonly isAtEnd: boolean;
  /** The next live records with rising seq, about `maxBytes` together; none at the end. */
  next(maxBytes: number): Promise<LogRecord[]>;
  close(): Promise<void>;
}

export interface SnapshotWriter {
  /** Adds records with rising seq; gaps are allowed. */
  write(records: readonly LogRecord[]): Promise<void>;
  /** Puts the snapshot in the place of the log, durably. The log is `intact` then, and all of it is visible. */
  finish(): Promise<void>;
  /** Forgets the snapshot. */
  abort(): Promise<void>;
}
