import type {
  CopyReader,
  CopyWriter,
  EpochStart,
  LogCondition,
  LogIdentity,
  LogRecord,
  LogStore,
  Position,
  StoredValue,
} from "../../src/cluster/log-store.ts";

/**
 * What a LogStore promises, without a disk: appended records are "on disk" once `hold` lets them. Outlives the process
 * that it stands for: `reopen` gives what a crash leaves.
 */
export class MemoryLog implements LogStore {
  identity: LogIdentity | undefined;
  condition: LogCondition = { kind: "intact" };
  base: Position = { epoch: 0, seq: 0 };
  promisedEpoch = 0;
  records: LogRecord[] = [];
  epochs: EpochStart[] = [];
  /** While set, appends wait for it. */
  hold: Promise<void> | undefined;
  #durableSeq = 0;
  #visibleSeq = 0;

  get last(): Position {
    return this.#at(this.records.at(-1));
  }

  get durable(): Position {
    return this.#at(this.records.findLast((record) => record.seq <= this.#durableSeq));
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
    next.identity = this.identity;
    next.condition = this.condition;
    next.base = this.base;
    next.promisedEpoch = this.promisedEpoch;
    next.records = this.records.filter((record) => record.seq <= this.#durableSeq);
    next.epochs = this.epochs.filter((start) => start.firstSeq <= this.#durableSeq);
    next.#durableSeq = next.last.seq;
    next.#visibleSeq = next.last.seq;
    return next;
  }

  /** The log with all its records on disk, wherever they come from. */
  reopenedWhole(): MemoryLog {
    this.#durableSeq = this.last.seq;
    return this.reopen();
  }

  async adopt(identity: Omit<LogIdentity, "storeId">): Promise<void> {
    this.identity = { ...identity, storeId: "memory" };
  }

  async promise(epoch: number): Promise<void> {
    this.promisedEpoch = Math.max(this.promisedEpoch, epoch);
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
    await this.hold;
    this.#durableSeq = Math.max(this.#durableSeq, Math.min(seq, this.last.seq));
  }

  commit(seq: number): void {
    this.#visibleSeq = Math.max(this.#visibleSeq, seq);
  }

  async get(key: string): Promise<StoredValue | undefined> {
    const found = this.records.findLast((record) => record.key === key && record.seq <= this.#visibleSeq);
    return found?.kind === "put" ? { value: found.value, text: found.text, revision: found.seq } : undefined;
  }

  willExist(key: string): boolean {
    return this.records.findLast((record) => record.key === key)?.kind === "put";
  }

  *keys(): IterableIterator<string> {
    for (const key of new Set(this.records.map((record) => record.key))) if (this.willExist(key)) yield key;
  }

  async read(afterSeq: number, maxBytes: number): Promise<LogRecord[] | undefined> {
    if (afterSeq < this.base.seq) return undefined;
    const records: LogRecord[] = [];
    for (let bytes = 0; bytes < maxBytes; ) {
      const next = this.records.find((record) => record.seq > (records.at(-1)?.seq ?? afterSeq));
      if (next === undefined) break;
      records.push(next);
      bytes += next.key.length + next.value.length + 1;
    }
    return records;
  }

  async truncate(seq: number): Promise<void> {
    if (seq < this.base.seq) throw new Error(`${seq} is below the base`);
    this.records = this.records.filter((record) => record.seq <= seq);
    this.epochs = this.epochs.filter((start) => start.firstSeq <= seq);
    this.#durableSeq = Math.min(this.#durableSeq, seq);
    this.#visibleSeq = Math.min(this.#visibleSeq, seq);
  }

  async openCopy(): Promise<CopyReader> {
    const left = this.records.filter((record) => record.seq <= this.#durableSeq);
    return {
      base: this.durable,
      epochs: this.epochs,
      next: async (maxBytes) => left.splice(0, Math.max(1, Math.floor(maxBytes / 1e6))),
      close: async () => {},
    };
  }

  async beginCopy(base: Position, epochs: readonly EpochStart[]): Promise<CopyWriter> {
    const records: LogRecord[] = [];
    return {
      write: async (more) => {
        records.push(...more);
      },
      finish: async () => {
        this.base = base;
        this.epochs = [...epochs];
        this.records = records;
        this.condition = { kind: "intact" };
        this.#durableSeq = base.seq;
        this.#visibleSeq = base.seq;
      },
      abort: async () => {},
    };
  }

  /** Drops what has been overwritten or deleted. */
  async compact(): Promise<void> {
    const seq = this.#visibleSeq;
    this.base = this.#at(this.records.findLast((record) => record.seq <= seq));
    this.records = this.records.filter(
      (record) =>
        record.seq > seq ||
        (record.kind === "put" && this.records.findLast(({ key }) => key === record.key) === record),
    );
  }

  async close(): Promise<void> {}

  #at(record: LogRecord | undefined): Position {
    return record === undefined || record.seq < this.base.seq ? this.base : record;
  }
}
