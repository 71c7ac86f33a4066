import { SerialQueue } from "../../common/serial-queue.ts";
import type { SharedFile } from "./disk/shared-file.ts";
import { LogFileError, LogStoreError } from "./errors.ts";
import { KeyTable } from "./index/key-table.ts";
import { OffsetIndex } from "./index/offset-index.ts";
import type { RequestTable } from "./index/request-table.ts";
import type { LoadedLog } from "./load.ts";
import type { EpochStart, LogCondition, LogIdentity, LogRecord, Position } from "./model.ts";
import type { LogSettings } from "./options.ts";
import { OpenScans } from "./read/open-scans.ts";
import { type PlacedRecord, TailCache } from "./read/tail-cache.ts";
import { placeValue } from "./read/values.ts";
import type { LogEndListener } from "./replica-log.ts";

/** Where small writes find room and large ones do not, not each of them is worth a line. */
const fullAgainMs = 60_000;

/** What the parts of one open log share. */
export class LogState {
  readonly options: LogSettings;
  /** Everything that writes to the log, or puts another file in its place, does so in its turn here. */
  readonly lane = new SerialQueue();
  file: SharedFile;
  /** End of what is on disk. */
  endBytes = 0;
  identity: LogIdentity | undefined;
  /** Whether the header was written for another file: see `LogStore.isCopy`. */
  isCopy: boolean;
  life: bigint | undefined;
  condition: LogCondition = { kind: "intact" };
  /** Whether damage has taken the header: nobody can say whose log it was. */
  hasLostHeader = false;
  damage: LoadedLog["damage"];
  base: Position = { epoch: 0, seq: 0 };
  durable: Position = { epoch: 0, seq: 0 };
  written: Position = { epoch: 0, seq: 0 };
  last: Position = { epoch: 0, seq: 0 };
  epochs: readonly EpochStart[] = [];
  promisedEpoch = 0;
  promisedOnDisk = 0;
  legacySeq = 0;
  frameBytes = 0;
  live = new KeyTable();
  requests: RequestTable;
  recent = new TailCache(0);
  offsetIndex = new OffsetIndex();
  /** Records up to here are visible; all of them are on disk. */
  visibleSeq = 0;
  /** Records up to here are known to be committed. May be ahead of what is on disk. */
  committedSeq = 0;
  /** Bytes in the file of records that are not visible yet. */
  invisibleBytes = 0;
  readonly scans = new OpenScans();
  /** Are told of each record that becomes visible. */
  readonly listeners = new Set<(record: LogRecord) => void>();
  readonly endListeners = new Set<LogEndListener>();
  /** Seqs that readers of a copy ask `mayBeLive` about. */
  readonly horizons = new Set<{ readonly seq: number }>();
  failure: LogStoreError | undefined;
  /** Why the last attempt to write has found no room; undefined when it has found some. */
  full: LogStoreError | undefined;
  #toldFullMs = Number.NEGATIVE_INFINITY;
  isClosed = false;

  /** `fileId`: of the file. */
  constructor(options: LogSettings, file: SharedFile, loaded: LoadedLog, fileId: string | undefined) {
    this.options = options;
    this.isCopy = loaded.fileId !== undefined && loaded.fileId !== fileId;
    this.file = file;
    this.committedSeq = loaded.base.seq;
    this.requests = loaded.requests;
    this.load(loaded);
  }

  /** Takes over what was read from the present file. */
  load(loaded: LoadedLog): void {
    this.condition = loaded.condition;
    this.hasLostHeader = loaded.hasLostHeader;
    this.damage = loaded.damage;
    const { base, last, epochs, pending } = loaded;
    this.endBytes = loaded.endBytes;
    this.identity = loaded.identity;
    this.life = loaded.life;
    this.base = base;
    this.durable = last;
    this.written = last;
    this.last = last;
    this.epochs = epochs;
    this.promisedEpoch = Math.max(this.promisedEpoch, loaded.promisedEpoch);
    this.promisedOnDisk = loaded.promisedEpoch;
    this.legacySeq = loaded.legacySeq;
    this.frameBytes = loaded.frameBytes;
    this.offsetIndex = loaded.offsetIndex;
    this.live = loaded.live;
    this.requests = loaded.requests;
    this.scans.supersede();
    this.visibleSeq = last.seq - pending.length;
    this.recent = new TailCache(this.visibleSeq);
    this.invisibleBytes = 0;
    for (const placed of pending) {
      this.recent.push({ ...placed });
      this.live.note(placed.record);
      for (const bytes of placed.entryBytes) this.invisibleBytes += bytes;
    }
  }

  /** Makes visible what is on disk and committed. */
  advance(): void {
    const seq = Math.min(this.committedSeq, this.durable.seq);
    while (this.visibleSeq < seq) {
      const placed = this.recent.at(this.visibleSeq + 1);
      if (placed === undefined) throw new Error(`record ${this.visibleSeq + 1} is not in memory`);
      for (const listener of this.listeners) listener(placed.record);
      this.#show(placed);
      this.visibleSeq++;
    }
    let forgetSeq = seq;
    for (const horizon of this.horizons) forgetSeq = Math.min(forgetSeq, horizon.seq);
    this.live.forgetDeletions(forgetSeq);
    this.recent.evict(this.visibleSeq);
  }

  #show({ record: { changes, seq }, offset, entryBytes }: PlacedRecord): void {
    let entryOffset = offset;
    for (const [index, change] of changes.entries()) {
      const bytes = entryBytes[index] ?? 0;
      this.scans.beforeChange(change.key, () => placeValue(this, change.key));
      this.live.apply(change, { seq, offset: entryOffset, bytes });
      entryOffset += bytes;
    }
    for (const bytes of entryBytes) this.invisibleBytes -= bytes;
  }

  /** Bytes that compaction would remove; at least so many, since what is dead in the history is not known. */
  get garbageBytes(): number {
    if (this.condition.kind === "damaged") return 0;
    const dead = this.endBytes - this.frameBytes - this.live.index.liveBytes - this.invisibleBytes;
    return Math.max(0, dead - this.options.historyBytes);
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

  /** There is no room for what was to be done, of which nothing is left. Returns the reason, which it tells. */
  noRoom(action: string, cause: unknown): LogStoreError {
    const { dbfile, log, clock } = this.options;
    const { message } = LogFileError.from(dbfile, action, cause);
    const nowMs = clock.monotonicMs();
    if (this.full === undefined && nowMs - this.#toldFullMs >= fullAgainMs) {
      this.#toldFullMs = nowMs;
      log(`${message}; until there is room, writes are refused and reads go on`);
    }
    this.full = new LogStoreError("full", message, { cause });
    return this.full;
  }

  /** Something has been written. */
  hasRoom(): void {
    if (this.full === undefined) return;
    this.full = undefined;
    this.options.log(`${this.options.dbfile} has room again`);
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
