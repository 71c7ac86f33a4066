import { contentBytes } from "../format/record.ts";
import type { LogRecord } from "../model.ts";

/** A record and where it stands in the file. */
export interface PlacedRecord extends RecordPlace {
  readonly record: LogRecord;
}

export interface RecordPlace {
  readonly offset: number;
  /** Of each of its entries, which stand one behind the other. Empty before the record is on disk. */
  readonly entryBytes: readonly number[];
}

/** Memory for records that are kept only so that standbys and readers of new values need no disk. */
const keptBytesMax = 8 * 1024 * 1024;

/** What a record takes in memory beside its keys and values; and each of its changes. */
const overheadBytes = 200;

/** The newest records, without a gap. */
export class TailCache {
  #records: CachedRecord[] = [];
  /** Those before were evicted; the array is made shorter from time to time. */
  #head = 0;
  #keptBytes = 0;
  #lastSeq: number;

  /** Begins empty, after this record. */
  constructor(lastSeq: number) {
    this.#lastSeq = lastSeq;
  }

  get firstSeq(): number {
    return this.#lastSeq - (this.#records.length - this.#head) + 1;
  }

  at(seq: number): PlacedRecord | undefined {
    return this.#at(seq);
  }

  /** Adds the next record. */
  push(record: LogRecord): void {
    this.#records.push({ record, offset: 0, entryBytes: [] });
    this.#lastSeq++;
    this.#keptBytes += sizeOf(record);
  }

  /** Notes where a record stands in the file. */
  place(seq: number, { offset, entryBytes }: RecordPlace): void {
    const cached = this.#at(seq);
    if (cached === undefined) return;
    cached.offset = offset;
    cached.entryBytes = entryBytes;
  }

  /** Evicts the oldest of those up to `seq` while there is too much in memory. */
  evict(seq: number): void {
    while (this.#keptBytes > keptBytesMax && this.firstSeq <= seq) {
      const oldest = this.#records[this.#head];
      if (oldest === undefined) break;
      this.#keptBytes -= sizeOf(oldest.record);
      this.#records[this.#head] = evicted;
      this.#head++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Drops those after `seq`. */
  truncate(seq: number): void {
    while (this.#lastSeq > seq && this.#records.length > this.#head) {
      const dropped = this.#records.pop();
      if (dropped !== undefined) this.#keptBytes -= sizeOf(dropped.record);
      this.#lastSeq--;
    }
    this.#lastSeq = Math.min(this.#lastSeq, seq);
  }

  /** Those after `seq` stand `shift` bytes further on. */
  shift(seq: number, shift: number): void {
    for (let index = Math.max(seq + 1, this.firstSeq); index <= this.#lastSeq; index++) {
      const cached = this.#at(index);
      if (cached !== undefined) cached.offset += shift;
    }
  }

  #at(seq: number): CachedRecord | undefined {
    return seq < this.firstSeq ? undefined : this.#records[this.#head + seq - this.firstSeq];
  }
}

interface CachedRecord extends PlacedRecord {
  offset: number;
  entryBytes: readonly number[];
}

const evicted: CachedRecord = { record: { epoch: 0, seq: 0, changes: [] }, offset: 0, entryBytes: [] };

function sizeOf(record: LogRecord): number {
  return contentBytes(record) + overheadBytes * (1 + record.changes.length);
}
