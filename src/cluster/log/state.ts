import type { Clock } from "../clock.ts";
import type { EpochStart, LogCondition, LogIdentity, Position } from "../log-store.ts";
import type { Disk } from "./disk.ts";
import { LogStoreError } from "./errors.ts";
import { Lane } from "./lane.ts";
import { LiveKeys } from "./live-keys.ts";
import type { LoadedLog } from "./load.ts";
import { Milestones } from "./milestones.ts";
import { Recent } from "./recent.ts";
import type { SharedFile } from "./shared-file.ts";

export interface LogOptions {
  readonly disk: Disk;
  readonly dbfile: string;
  /** A rewritten log is made here before it replaces `dbfile`. On the same file system. */
  readonly rbfile: string;
  /** For the name of a new log. */
  readonly clock: Pick<Clock, "random">;
  /** Told once, when a write or sync has failed: what is on the disk is uncertain, so the process must end. */
  readonly onFatal: (error: LogStoreError) => void;
  /** Told in words what an operator may want to know. */
  readonly log: (message: string) => void;
}

/** What the parts of one open log share. */
export class LogState {
  readonly options: LogOptions;
  /** Everything that writes to the log, or puts another file in its place, does so in its turn here. */
  readonly lane = new Lane();
  file: SharedFile;
  /** End of what is on disk. */
  endBytes = 0;
  identity: LogIdentity | undefined;
  condition: LogCondition = { kind: "intact" };
  base: Position = { epoch: 0, seq: 0 };
  durable: Position = { epoch: 0, seq: 0 };
  last: Position = { epoch: 0, seq: 0 };
  epochs: readonly EpochStart[] = [];
  promisedEpoch = 0;
  promisedOnDisk = 0;
  legacySeq = 0;
  frameBytes = 0;
  live = new LiveKeys();
  recent = new Recent(0);
  milestones = new Milestones();
  /** Records up to here are visible; all of them are on disk. */
  visibleSeq = 0;
  /** Records up to here are known to be committed. May be ahead of what is on disk. */
  committedSeq = 0;
  /** Bytes in the file of records that are not visible yet. */
  invisibleBytes = 0;
  /** Seqs that readers of a copy ask `mayBeLive` about. */
  readonly horizons = new Set<{ readonly seq: number }>();
  failure: LogStoreError | undefined;
  isClosed = false;

  constructor(options: LogOptions, file: SharedFile, loaded: LoadedLog) {
    this.options = options;
    this.file = file;
    this.condition = loaded.condition;
    this.committedSeq = loaded.base.seq;
    this.load(loaded);
  }

  /** Takes over what was read from the present file. */
  load(loaded: Omit<LoadedLog, "condition">): void {
    const { base, last, epochs, pending } = loaded;
    this.endBytes = loaded.endBytes;
    this.identity = loaded.identity;
    this.base = base;
    this.durable = last;
    this.last = last;
    this.epochs = epochs;
    this.promisedEpoch = Math.max(this.promisedEpoch, loaded.promisedEpoch);
    this.promisedOnDisk = loaded.promisedEpoch;
    this.legacySeq = loaded.legacySeq;
    this.frameBytes = loaded.frameBytes;
    this.milestones = loaded.milestones;
    this.live = new LiveKeys(loaded.index, loaded.deletions);
    this.visibleSeq = last.seq - pending.length;
    this.recent = new Recent(this.visibleSeq);
    this.invisibleBytes = 0;
    for (const placed of pending) {
      this.recent.push({ ...placed });
      this.live.note(placed.record);
      this.invisibleBytes += placed.bytes;
    }
  }

  /** Makes visible what is on disk and committed. */
  advance(): void {
    const seq = Math.min(this.committedSeq, this.durable.seq);
    while (this.visibleSeq < seq) {
      const placed = this.recent.at(this.visibleSeq + 1);
      if (placed === undefined) throw new Error(`record ${this.visibleSeq + 1} is not in memory`);
      this.live.apply(placed.record, placed.offset, placed.bytes);
      this.invisibleBytes -= placed.bytes;
      this.visibleSeq++;
    }
    let forgetSeq = seq;
    for (const horizon of this.horizons) forgetSeq = Math.min(forgetSeq, horizon.seq);
    this.live.forgetDeletions(forgetSeq);
    this.recent.evict(this.visibleSeq);
  }

  get garbageBytes(): number {
    if (this.condition.kind === "damaged") return 0;
    return this.endBytes - this.frameBytes - this.live.index.liveBytes - this.invisibleBytes;
  }

  /** Throws when nothing may be read any more. */
  checkReadable(): void {
    if (this.isClosed) throw new LogStoreError("closed", `${this.options.dbfile} is closed`);
  }

  /** Throws when nothing may be written any more. */
  checkOpen(): void {
    if (this.failure !== undefined) throw this.failure;
    this.checkReadable();
  }

  /** Throws when the log must not be changed. */
  checkWritable(): void {
    this.checkOpen();
    const { condition } = this;
    if (condition.kind !== "damaged") return;
    throw new LogStoreError(
      "damaged",
      `${this.options.dbfile} is damaged at line ${condition.line}: ${condition.reason}; ` +
        "it takes nothing before it is repaired or replaced by a copy",
    );
  }

  /** Ends all writing: what a failed write or sync has left on the disk is uncertain, and a second try may lie. */
  fail(action: string, cause: unknown): LogStoreError {
    if (this.failure !== undefined) return this.failure;
    const said = cause instanceof Error ? cause.message : String(cause);
    this.failure = new LogStoreError("failed", `cannot ${action} ${this.options.dbfile}: ${said}`, { cause });
    this.options.onFatal(this.failure);
    return this.failure;
  }
}
