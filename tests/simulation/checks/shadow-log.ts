import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { Change, EpochStart, LogRecord, MoveMark } from "../../../src/cluster/storage/model.ts";

/** What is known of a log at some moment: what a copy of its file has. */
export interface LogFacts {
  /** The log that this was. */
  readonly of: ShadowLog;
  readonly lastSeq: number;
  readonly records: ReadonlyMap<number, LogRecord>;
  readonly copiedSeq: number;
  readonly promisedEpoch: number;
  readonly registrations: number;
  readonly life: bigint;
  readonly pending: Pending;
}

/** A cut or a copy that a crash may leave done or undone. */
type Pending = { readonly cutSeq: number } | { readonly copySeq: number } | undefined;

/** What the simulation knows of one replica's log, from what the replica has done to it; kept over its crashes. */
export class ShadowLog {
  /** Of the machine that has it. */
  name: string;
  readonly group: string;
  /** Open now. */
  store: LogStore | undefined;
  /** By seq: what was appended since the last copy. */
  records = new Map<number, LogRecord>();
  /** Records up to here came as a copy. */
  copiedSeq = 0;
  /** Records up to here have been compared with those of the group. */
  checkedSeq = 0;
  /** Highest epoch whose messages the replica has answered. */
  promisedEpoch = 0;
  /** The disk was damaged or wiped, or has another log, and what was lost has not been replaced. */
  isSpoiled = false;
  /** How often that has happened. */
  spoils = 0;
  /** How often a node has taken its place in the group with this log. */
  registrations = 0;
  /** The latest life that the log knows: the incarnation of a node that has taken its place with it. */
  life = 0n;
  /** The log that this was before somebody copied it. */
  origin: ShadowLog = this;
  #number: number | undefined;
  #durableSeq = 0;
  #compactedSeq = 0;
  #epochs: readonly EpochStart[] = [];
  #pending: Pending;

  constructor(name: string, group: string) {
    this.name = name;
    this.group = group;
  }

  /** Undefined until it has one; not changed by wiping, which makes another shadow. A copy may be given a new one. */
  get number(): number | undefined {
    this.#number = this.store?.identity?.number ?? this.#number;
    return this.#number;
  }

  get facts(): LogFacts {
    const { origin, store, durableSeq, records, copiedSeq, promisedEpoch, registrations, life } = this;
    return {
      of: origin,
      lastSeq: store?.last.seq ?? durableSeq,
      records: new Map(records),
      copiedSeq,
      promisedEpoch,
      registrations,
      life,
      pending: this.#pending,
    };
  }

  /** The file is replaced by a copy, of this log or another; what it had is lost. */
  overwritten({ of, records, copiedSeq, promisedEpoch, registrations, life, pending }: LogFacts): void {
    this.origin = of;
    this.records = new Map(records);
    this.copiedSeq = copiedSeq;
    this.checkedSeq = 0;
    this.promisedEpoch = promisedEpoch;
    this.registrations = registrations;
    this.life = life;
    this.#pending = pending;
    this.spoil();
  }

  spoil(): void {
    this.isSpoiled = true;
    this.spoils++;
  }

  get durableSeq(): number {
    return this.store?.durable.seq ?? this.#durableSeq;
  }

  /** Highest record up to which this log was ever compacted, also before an older one took its place. */
  get compactedSeq(): number {
    return Math.max(this.#compactedSeq, this.store?.base.seq ?? 0);
  }

  /** Its epochs; those that it had when it was last open. */
  get epochs(): readonly EpochStart[] {
    return this.store?.epochs ?? this.#epochs;
  }

  /** Whether the record is on the replica's disk, as far as is known. */
  holds(record: LogRecord): boolean {
    if (record.seq > this.durableSeq) return false;
    return record.seq <= this.copiedSeq || isSame(this.records.get(record.seq), record);
  }

  /** Whether the log has a record after `afterSeq`, up to `lastSeq`, that ends a key. */
  hasUncommittedEnd(key: string, afterSeq: number, lastSeq: number): boolean {
    for (let seq = afterSeq + 1; seq <= lastSeq; seq++) {
      const change = changeOf(this.records.get(seq), key);
      if (change !== undefined && change.kind !== "put") return true;
    }
    return false;
  }

  append(records: readonly LogRecord[]): void {
    for (const record of records) this.records.set(record.seq, record);
  }

  /** Takes back what was appended after `seq`. Returns it. */
  withdraw(seq: number): LogRecord[] {
    const withdrawn = [...this.records.values()].filter((record) => record.seq > seq);
    for (const record of withdrawn) this.records.delete(record.seq);
    return withdrawn;
  }

  beginCut(seq: number): void {
    this.#pending = { cutSeq: seq };
  }

  endCut(seq: number): void {
    this.#pending = undefined;
    this.#forgetAfter(seq);
  }

  beginReplacement(seq: number): void {
    this.#pending = { copySeq: seq };
  }

  endReplacement(seq: number): void {
    this.#pending = undefined;
    this.records.clear();
    this.copiedSeq = seq;
    // A copy may have what is not committed yet.
    this.checkedSeq = 0;
    this.isSpoiled = false;
  }

  /** The process has died. */
  closed(): void {
    // Asked for once more: the store says it no longer.
    void this.number;
    this.#durableSeq = this.durableSeq;
    this.#compactedSeq = this.compactedSeq;
    this.#epochs = this.epochs;
    this.store = undefined;
  }

  /** The log is open again. Returns what is wrong with what the crash has left. */
  opened(store: LogStore): string | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    this.store = store;
    const isReplaced = pending !== undefined && "copySeq" in pending && store.base.seq === pending.copySeq;
    if (isReplaced && store.last.seq === pending.copySeq) this.endReplacement(pending.copySeq);
    const isCut = pending !== undefined && "cutSeq" in pending && store.last.seq === pending.cutSeq;
    const keptSeq = isReplaced || isCut ? 0 : this.#durableSeq;
    const lastSeq = Math.max(this.copiedSeq, ...this.records.keys());
    if (store.last.seq > lastSeq && !this.isSpoiled) {
      return `its log ends at ${store.last.seq}, and ${lastSeq} is the last record that it had not withdrawn`;
    }
    if (store.condition.kind === "damaged") {
      if (!this.isSpoiled) return `its log is damaged without a fault of the disk: ${store.condition.reason}`;
    } else if (store.last.seq < keptSeq && !this.isSpoiled) {
      return `the crash has taken synced records: ${keptSeq} was on disk, and the log ends at ${store.last.seq}`;
    } else if (store.promisedEpoch < this.promisedEpoch && !this.isSpoiled) {
      return `it has followed epoch ${this.promisedEpoch}, and its log knows only of epoch ${store.promisedEpoch}`;
    }
    this.#forgetAfter(store.last.seq);
    return undefined;
  }

  #forgetAfter(seq: number): void {
    for (const known of this.records.keys()) if (known > seq) this.records.delete(known);
    this.checkedSeq = Math.min(this.checkedSeq, seq);
    this.#durableSeq = Math.min(this.#durableSeq, seq);
  }
}

export function isSame(a: LogRecord | undefined, b: LogRecord): boolean {
  if (a === b) return true;
  if (a?.epoch !== b.epoch || a.requestId !== b.requestId || a.changes.length !== b.changes.length)
    return false;
  return (
    isSameMark(a.move, b.move) && a.changes.every((change, index) => isSameChange(change, b.changes[index]))
  );
}

function isSameMark(a: MoveMark | undefined, b: MoveMark | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Object.entries(a).every(([name, value]) => Reflect.get(b, name) === value);
}

export function isSameChange(a: Change, b: Change | undefined): boolean {
  return (
    a.kind === b?.kind &&
    a.key === b.key &&
    a.expiresMs === b.expiresMs &&
    a.previous === b.previous &&
    Buffer.compare(a.value, b.value) === 0
  );
}

export function changeOf(record: LogRecord | undefined, key: string): Change | undefined {
  return record?.changes.find((change) => change.key === key);
}

export function beginsEpoch({ changes, requestId, move }: LogRecord): boolean {
  return changes.length === 0 && requestId === undefined && move === undefined;
}

/** Tells a record from all others that a group has ever had. */
export function nameOf({ epoch, seq }: LogRecord): string {
  return `${epoch}.${seq}`;
}
