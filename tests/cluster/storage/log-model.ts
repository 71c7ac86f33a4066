import type { KeyFacts } from "../../../src/cluster/storage/key-view.ts";
import type { EpochStart, LogRecord, Moves, Position } from "../../../src/cluster/storage/model.ts";

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
  /** The log may have forgotten requests of records up to this revision, and no others but of copies. */
  requestsAfterMax = 0;
  /** The highest revision of a copy whose request may be forgotten, also when it was cut off since. */
  #copiedAfter = 0;
  /** Of the last accept. */
  #acceptRevision = 0;
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
      if (record.move?.kind === "accept") this.#acceptRevision = revisionAt(this.all, record.seq);
      const forgotten = this.#forgottenRequests;
      const copied = forgotten.map(({ move }) => (move?.kind === "copy" ? move.revision : 0));
      this.#copiedAfter = Math.max(this.#copiedAfter, ...copied);
      this.requestsAfterMax = Math.max(
        this.requestsAfterMax,
        revisionAt(this.all, forgotten.at(-1)?.seq ?? 0),
        record.move?.kind === "accept" ? record.move.requestsAfter : 0,
        Math.min(this.#copiedAfter, this.#acceptRevision),
      );
    }
    this.promisedEpoch = Math.max(this.promisedEpoch, this.last.epoch);
  }

  /** Records with requests before the newest. */
  get #forgottenRequests(): LogRecord[] {
    const answering = this.all.filter(({ requestId }) => requestId !== undefined);
    return answering.slice(0, Math.max(0, answering.length - this.#requestsMax));
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
    this.requestsAfterMax = Math.min(this.requestsAfterMax, this.lastRevision);
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
    this.#acceptRevision = 0;
    this.#copiedAfter = 0;
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

  get lastRevision(): number {
    return revisionAt(this.all, this.last.seq);
  }
}

/** The own revision of the record `seq`, by the accepts in a list of all records. */
export function revisionAt(records: readonly LogRecord[], seq: number): number {
  let ahead = 0;
  for (const record of records) {
    if (record.seq <= seq && record.move?.kind === "accept") ahead = Math.max(ahead, record.move.ahead);
  }
  return seq + ahead;
}

/** The revision that clients see. */
export function revisionOf(record: LogRecord, records: readonly LogRecord[]): number {
  return record.move?.kind === "copy" ? record.move.revision : revisionAt(records, record.seq);
}

/** What a list of all records leaves of each key, as `pendingFacts` tells it. */
export function factsAfter(records: readonly LogRecord[]): Map<string, KeyFacts> {
  const facts = new Map<string, KeyFacts>();
  for (const record of records) {
    const revision = revisionOf(record, records);
    for (const { kind, key, expiresMs } of record.changes) {
      if (kind === "put") facts.set(key, { seq: record.seq, revision, expiresMs });
      else facts.delete(key);
    }
  }
  return facts;
}

/** What a list of all records says of moves. */
export function movesAfter(records: readonly LogRecord[]): Moves {
  const marks = records.flatMap(({ move }) =>
    move?.kind === "release" || move?.kind === "accept" ? [move] : [],
  );
  const change = Math.max(0, ...marks.map((mark) => mark.change));
  const released = new Set<string>();
  const accepted = new Map<string, number>();
  for (const mark of marks) {
    if (mark.change < change) continue;
    if (mark.kind === "release") released.add(mark.to);
    else accepted.set(mark.from, mark.revision);
  }
  return { change, released, accepted };
}
