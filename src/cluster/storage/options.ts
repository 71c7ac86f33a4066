import type { Clock } from "../../common/clock.ts";
import type { Disk } from "./disk/disk.ts";
import type { LogStoreError } from "./errors.ts";

export interface LogOptions {
  readonly disk: Disk;
  readonly dbfile: string;
  /** A rewritten log is made here before it replaces `dbfile`. On the same file system. */
  readonly rbfile: string;
  /** Of the node: a rewritten log of another group is not taken for its own. */
  readonly group?: string;
  /** For the name of a new log, and for how long it waits for the disk. */
  readonly clock: Clock;
  /** Told once, when a write or sync has failed: what is on the disk is uncertain, so the process must end. */
  readonly onFatal: (error: LogStoreError) => void;
  /** Told in words what an operator may want to know. */
  readonly log: (message: string) => void;
  /** How many requests are remembered; about 200 bytes each. Default: 100,000. */
  readonly requestsMax?: number;
  /** Compaction leaves at least so many bytes of records as they are, so that `read` reaches back. Default: 0. */
  readonly historyBytes?: number;
  /** A log gets an index file when it is that long, and again when it has grown. Default: 1 MiB. */
  readonly indexedBytesMin?: number;
}

/** Options with all that is left out. */
export type LogSettings = Required<Omit<LogOptions, "group">> & Pick<LogOptions, "group">;

export function withDefaults(options: LogOptions): LogSettings {
  const { requestsMax = 100_000, historyBytes = 0, indexedBytesMin = 1024 * 1024 } = options;
  return { ...options, requestsMax, historyBytes, indexedBytesMin };
}
