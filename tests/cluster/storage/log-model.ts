import type { KeyFacts } from "../../../src/cluster/storage/key-view.ts";
import type { EpochStart, LogRecord, Position } from "../../../src/cluster/storage/model.ts";

/** A log as simple as can be. */
export class LogModel {
  /** What was there at `base`, as records. */
  snapshot: LogRecord[] = [];
  base: Position = { epoch: 0, seq: 0 };
  tail: LogRecord[] = [];
  epochs: EpochStart[] = [];
  promisedEpoch = 0;
  committedSeq = 0;
  /** Up to here nothing is ever cut off, whether or not the log remembers why. */
  keptSeq = 0;
  visibleSeq = 0;
  /** Seqs of all requests. */
  requests = new Map<string, number>();
  /** The log must know the requests of all records after this one. */
  requestsAfterMax = 0;
  readonly #requestsMax: number;

  constructor(requestsMax: number) {
    this.#requestsMax = requestsMax;
  }

  get last(): Position {
    const { epoch, seq } = this.tail.at(-1) ?? this.base;
    return { epoch, seq };
  }

  append(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.epoch > this.last.epoch) this.epochs.push({ epoch: record.epoch, firstSeq: record.seq });
      this.tail.push(record);
      if (record.requestId !== undefined) this.requests.set(record.requestId, record.seq);
    }
    const forgotten = [...this.requests.values()].at(-1 - this.#requestsMax) ?? 0;
    this.requestsAfterMax = Math.max(this.requestsAfterMax, forgotten);
    this.promisedEpoch = Math.max(this.promisedEpoch, this.last.epoch);
  }

  commit(seq: number): void {
    this.committedSeq = Math.max(this.committedSeq, seq);
    this.keptSeq = Math.max(this.keptSeq, seq);
    this.visibleSeq = Math.max(this.visibleSeq, this.committedSeq);
  }

  truncate(seq: number): void {
    this.tail = this.tail.filter((record) => record.seq <= seq);
    this.epochs = this.epochs.filter(({ firstSeq }) => firstSeq <= seq);
    this.visibleSeq = Math.min(this.visibleSeq, seq);
    this.requests = new Map([...this.requests].filter(([, found]) => found <= seq));
    this.requestsAfterMax = Math.min(this.requestsAfterMax, seq);
  }

  compact(): void {
    const folded = this.tail.filter(({ seq }) => seq <= this.committedSeq);
    const { epoch, seq } = folded.at(-1) ?? this.base;
    this.snapshot.push(...folded);
    this.tail = this.tail.filter((record) => record.seq > this.committedSeq);
    this.base = { epoch, seq };
  }

  copy(base: Position, records: LogRecord[], epochs: EpochStart[], requestsAfter: number): void {
    this.snapshot = [];
    this.base = { epoch: 0, seq: 0 };
    this.tail = [];
    this.requests = new Map();
    this.requestsAfterMax = requestsAfter;
    this.append(records);
    this.snapshot = this.tail;
    this.base = base;
    this.tail = [];
    this.epochs = epochs;
    this.promisedEpoch = Math.max(this.promisedEpoch, base.epoch);
    this.committedSeq = base.seq;
    this.keptSeq = base.seq;
    this.visibleSeq = base.seq;
  }

  reopened(): void {
    this.committedSeq = this.base.seq;
    this.visibleSeq = this.last.seq;
  }

  get all(): LogRecord[] {
    return [...this.snapshot, ...this.tail];
  }

  get visible(): LogRecord[] {
    return [...this.snapshot, ...this.tail.filter(({ seq }) => seq <= this.visibleSeq)];
  }
}

/** What a list of records leaves of each key, as `pendingFacts` tells it. */
export function factsAfter(records: readonly LogRecord[]): Map<string, KeyFacts> {
  const facts = new Map<string, KeyFacts>();
  for (const { seq, changes } of records) {
    for (const { kind, key, expiresMs } of changes) {
      if (kind === "put") facts.set(key, { seq, revision: seq, expiresMs });
      else facts.delete(key);
    }
  }
  return facts;
}
