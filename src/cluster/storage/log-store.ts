import type { KeyView } from "./key-view.ts";
import type { LogOwner } from "./model.ts";
import type { ReplicaLog } from "./replica-log.ts";

/** An open log, as the node that has opened it holds it. Replication and keys each get their own view of it. */
export interface LogStore extends ReplicaLog, KeyView {
  /** Whether the file is a copy of the one that its header was written for: the other log may have gone on since. */
  readonly isCopy: boolean;
  /** Number of keys that have a visible value. */
  readonly keyCount: number;
  readonly fileBytes: number;
  /** Bytes that compaction would remove. */
  readonly garbageBytes: number;

  /**
   * Writes a header that names the owner, durably: into a log without identity; into a copy, which becomes a log of its
   * own with another store id; into a log of an earlier version, whose header names no cluster. Errors: it belongs to
   * another.
   */
  adopt(owner: LogOwner): Promise<void>;

  /** All keys with a visible value, in no order. */
  keys(): IterableIterator<string>;

  /** Bytes in the file of the entry with a key's visible value; 0 when it has none. */
  entryBytes(key: string): number;

  /** Rewrites the log without its garbage, while appends go on. Joins a compaction that is under way. */
  compact(): Promise<void>;

  /** Writes out what waits and releases the file. */
  close(): Promise<void>;
}
