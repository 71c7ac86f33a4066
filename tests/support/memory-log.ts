import { LogStoreError } from "../../src/cluster/storage/errors.ts";
import { boundsOf, isWithin } from "../../src/cluster/storage/index/key-range.ts";
import type {
  KeyFacts,
  KeyRange,
  ScannedKey,
  ScanReader,
  StoredValue,
} from "../../src/cluster/storage/key-view.ts";
import type { LogStore } from "../../src/cluster/storage/log-store.ts";
import type {
  Change,
  EpochStart,
  LogCondition,
  LogIdentity,
  LogOwner,
  LogRecord,
  Position,
} from "../../src/cluster/storage/model.ts";
import type {
  LogEndListener,
  SnapshotHead,
  SnapshotReader,
  SnapshotWriter,
} from "../../src/cluster/storage/replica-log.ts";
import type { Clock } from "../../src/common/clock.ts";
import { compareKeys } from "../../src/common/key-order.ts";

/**
 * What a LogStore promises, without a disk: appended records are "on disk" once `hold` lets them. Outlives the process
 * that it stands for: `reopen` gives what a crash leaves.
 */
export class MemoryLog implements LogStore {
  identity: LogIdentity | undefined;
  condition: LogCondition = { kind: "intact" };
  isCopy = false;
  life: string | undefined;
  base: Position = { epoch: 0, seq: 0 };
  promisedEpoch = 0;
  records: LogRecord[] = [];
  epochs: EpochStart[] = [];
  /** While set, appends wait for it. */
  hold: Promise<void> | undefined;
  /** What the next record is refused with. */
  refusal: Error | undefined;
  /** Whether there is no room for what is appended, or promised, from now on. */
  isFull = false;
  /** Tells for how long appends and promises have waited for `hold`; they are not told without it. */
  clock: Pick<Clock, "monotonicMs"> | undefined;
  #held = 0;
  #heldSinceMs = 0;
  requestsAfter = 0;
  #writtenSeq = 0;
  #durableSeq = 0;
  #visibleSeq = 0;
  readonly #listeners = new Set<(record: LogRecord) => void>();
  readonly #endListeners = new Set<LogEndListener>();

  get last(): Position {
    return this.#at(this.records.at(-1));
  }

  get durable(): Position {
    return this.#at(this.records.findLast((record) => record.seq <= this.#durableSeq));
  }

  get written(): Position {
    return this.#at(this.records.findLast((record) => record.seq <= this.#writtenSeq));
  }

  get stalledMs(): number {
    return this.#held === 0 ? 0 : (this.clock?.monotonicMs() ?? 0) - this.#heldSinceMs;
  }

  async #untilOnDisk(): Promise<void> {
    if (this.#held++ === 0) this.#heldSinceMs = this.clock?.monotonicMs() ?? 0;
    await this.hold;
    this.#held--;
    this.#heldSinceMs = this.clock?.monotonicMs() ?? 0;
  }

  get full(): string | undefined {
    return this.isFull ? "ENOSPC: simulated" : undefined;
  }

  onEnd(listener: LogEndListener): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  get keyCount(): number {
    return [...this.keys()].length;
  }

  get fileBytes(): number {
    return this.records.length;
  }

  get garbageBytes(): number {
    return this.records.length - this.keyCount;
  }

  /** The log of the next process: what was not on disk is lost. */
  reopen(): MemoryLog {
    const next = new MemoryLog();
    next.clock = this.clock;
    next.identity = this.identity;
    next.condition = this.condition;
    next.life = this.life;
    next.base = this.base;
    next.promisedEpoch = this.promisedEpoch;
    next.records = this.records.filter((record) => record.seq <= this.#durableSeq);
    next.requestsAfter = this.requestsAfter;
    next.epochs = this.epochs.filter((start) => start.firstSeq <= this.#durableSeq);
    next.#durableSeq = next.last.seq;
    next.#writtenSeq = next.last.seq;
    next.#visibleSeq = next.last.seq;
    return next;
  }

  /** The log with all its records on disk, wherever they come from. */
  reopenedWhole(): MemoryLog {
    this.#durableSeq = this.last.seq;
    return this.reopen();
  }

  async adopt(owner: LogOwner): Promise<void> {
    this.identity = { ...owner, storeId: `memory-${owner.number}` };
    this.isCopy = false;
  }

  async beginLife(incarnation: string): Promise<void> {
    this.life = incarnation;
  }

  async promise(epoch: number): Promise<void> {
    if (epoch > this.promisedEpoch) {
      this.#checkRoom();
      await this.#untilOnDisk();
    }
    this.promisedEpoch = Math.max(this.promisedEpoch, epoch);
  }

  check(): void {
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal !== undefined) throw refusal;
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    if (this.condition.kind === "damaged") throw new Error("the log is damaged");
    for (const record of records) {
      if (record.seq !== this.last.seq + 1) throw new Error(`${record.seq} does not follow ${this.last.seq}`);
      if (record.epoch > (this.epochs.at(-1)?.epoch ?? 0)) {
        this.epochs = [...this.epochs, { epoch: record.epoch, firstSeq: record.seq }];
      }
      this.promisedEpoch = Math.max(this.promisedEpoch, record.epoch);
      this.records.push(record);
    }
    const { seq } = this.last;
    await Promise.resolve();
    if (this.isFull && this.last.seq > this.#writtenSeq) this.#withdraw();
    this.#checkRoom(seq);
    if (this.#writtenSeq < this.last.seq) {
      this.#writtenSeq = this.last.seq;
      for (const listener of this.#endListeners) listener.written();
    }
    await this.#untilOnDisk();
    this.#durableSeq = Math.max(this.#durableSeq, Math.min(seq, this.last.seq));
  }

  #withdraw(): void {
    const seq = this.#writtenSeq;
    this.records = this.records.filter((record) => record.seq <= seq);
    this.epochs = this.epochs.filter((start) => start.firstSeq <= seq);
    for (const listener of this.#endListeners) {
      listener.withdrawn(seq, new LogStoreError("full", "ENOSPC: simulated"));
    }
  }

  /** Throws when there is none for what comes after what has been written; or for the record `seq`. */
  #checkRoom(seq = Number.POSITIVE_INFINITY): void {
    if (this.isFull && seq > this.#writtenSeq) throw new LogStoreError("full", "ENOSPC: simulated");
  }

  commit(seq: number): void {
    for (const record of this.records) {
      if (record.seq <= this.#visibleSeq || record.seq > seq) continue;
      for (const listener of this.#listeners) listener(record);
      this.#visibleSeq = record.seq;
    }
    this.#visibleSeq = Math.max(this.#visibleSeq, seq);
  }

  get visible(): Position {
    return this.#at(this.records.findLast((record) => record.seq <= this.#visibleSeq));
  }

  onVisible(listener: (record: LogRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async get(key: string): Promise<StoredValue | undefined> {
    return this.#lastOf(key, this.#visibleSeq);
  }

  valueLater(key: string): (() => Promise<StoredValue | undefined>) | undefined {
    const found = this.#lastOf(key, this.#visibleSeq);
    return found && (async () => (found.revision > this.base.seq ? found : undefined));
  }

  pendingFacts(key: string): KeyFacts | undefined {
    const found = this.#lastOf(key, this.last.seq);
    return found === undefined ? undefined : { revision: found.revision, expiresMs: found.expiresMs };
  }

  expired(nowMs: number, max: number, range: KeyRange = {}): string[] {
    const bounds = boundsOf(range);
    const isDue = (key: string) =>
      (this.#lastOf(key, this.#visibleSeq)?.expiresMs ?? Number.POSITIVE_INFINITY) <= nowMs;
    const due = [...this.keys()].filter((key) => isWithin(key, bounds) && isDue(key));
    return due.sort(compareKeys).slice(0, max);
  }

  seqOfRequest(requestId: string): number | undefined {
    const seq = this.records.findLast((record) => record.requestId === requestId)?.seq ?? 0;
    return seq > this.requestsAfter ? seq : undefined;
  }

  /** As if more requests had come since than are remembered. */
  forgetRequests(): void {
    this.requestsAfter = this.last.seq;
  }

  openScan(range: KeyRange): ScanReader {
    const bounds = boundsOf(range);
    const left: ScannedKey[] = [];
    for (const key of this.keys()) {
      const found = this.#lastOf(key, this.#visibleSeq);
      if (found === undefined || !isWithin(key, bounds)) continue;
      const { revision, expiresMs } = found;
      left.push({ key, revision, expiresMs, value: async () => found });
    }
    left.sort((a, b) => (bounds.reverse ? compareKeys(b.key, a.key) : compareKeys(a.key, b.key)));
    return { at: this.visible, next: (max) => left.splice(0, max), close: async () => {} };
  }

  *keys(): IterableIterator<string> {
    const keys = new Set(this.records.flatMap(({ changes }) => changes.map(({ key }) => key)));
    for (const key of keys) if (this.#lastOf(key, this.#visibleSeq) !== undefined) yield key;
  }

  async read(afterSeq: number, maxBytes: number): Promise<LogRecord[] | undefined> {
    if (afterSeq < this.base.seq) return undefined;
    const records: LogRecord[] = [];
    for (let bytes = 0; bytes < maxBytes; ) {
      const next = this.records.find((record) => record.seq > (records.at(-1)?.seq ?? afterSeq));
      if (next === undefined || next.seq > this.#writtenSeq) break;
      records.push(next);
      bytes += next.changes.reduce((sum, { key, value }) => sum + key.length + value.length, 1);
    }
    return records;
  }

  async truncate(seq: number): Promise<void> {
    if (seq < this.base.seq) throw new Error(`${seq} is below the base`);
    this.records = this.records.filter((record) => record.seq <= seq);
    this.epochs = this.epochs.filter((start) => start.firstSeq <= seq);
    this.#durableSeq = Math.min(this.#durableSeq, seq);
    this.#writtenSeq = Math.min(this.#writtenSeq, seq);
    this.#visibleSeq = Math.min(this.#visibleSeq, seq);
  }

  async openSnapshot(): Promise<SnapshotReader> {
    const left = this.records.filter((record) => record.seq <= this.#durableSeq);
    return {
      base: this.durable,
      epochs: this.epochs,
      requestsAfter: this.requestsAfter,
      next: async (maxBytes) => left.splice(0, Math.max(1, Math.floor(maxBytes / 1e6))),
      close: async () => {},
    };
  }

  async beginSnapshot({ base, epochs, requestsAfter }: SnapshotHead): Promise<SnapshotWriter> {
    const records: LogRecord[] = [];
    return {
      write: async (more) => {
        records.push(...more);
      },
      finish: async () => {
        this.base = base;
        this.epochs = [...epochs];
        this.requestsAfter = requestsAfter;
        this.records = records;
        this.condition = { kind: "intact" };
        this.identity = this.identity && { ...this.identity, repaired: undefined };
        this.#durableSeq = base.seq;
        this.#writtenSeq = base.seq;
        this.#visibleSeq = base.seq;
      },
      abort: async () => {},
    };
  }

  /** Drops what has been overwritten or deleted. */
  async compact(): Promise<void> {
    const seq = this.#visibleSeq;
    const live = (record: LogRecord): Change[] =>
      record.changes.filter(({ key }) => this.#lastOf(key, seq)?.revision === record.seq);
    const kept = this.records.flatMap((record) => {
      if (record.seq > seq) return record;
      const changes = live(record);
      return changes.length > 0 || record.requestId !== undefined ? { ...record, changes } : [];
    });
    this.base = this.#at(this.records.findLast((record) => record.seq <= seq));
    this.records = kept;
  }

  async close(): Promise<void> {}

  /** What a key is after the records up to `seq`. */
  #lastOf(key: string, seq: number): StoredValue | undefined {
    const concerns = (record: LogRecord) => record.changes.find((change) => change.key === key);
    const record = this.records.findLast((candidate) => candidate.seq <= seq && concerns(candidate));
    const change = record === undefined ? undefined : concerns(record);
    if (record === undefined || change?.kind !== "put") return undefined;
    const { value, text, expiresMs } = change;
    return { value, text, expiresMs, revision: record.seq };
  }

  #at(record: LogRecord | undefined): Position {
    if (record === undefined || record.seq < this.base.seq) return this.base;
    return { epoch: record.epoch, seq: record.seq };
  }
}
