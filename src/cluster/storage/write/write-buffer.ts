import type { DiskFile } from "../disk/disk.ts";
import type { ParsedEntry } from "../format/entry.ts";
import { encodedBytesMax, encodeRecord, toLogRecord } from "../format/record.ts";
import type { RecordToken } from "../format/token.ts";
import type { LogRecord, Position } from "../model.ts";

/** A record of usual size fits into this; a larger buffer is given back after use. */
const bufferBytes = 1024 * 1024;

/** Gathers what is to be written at the end of a file. */
export class WriteBuffer {
  #file: DiskFile;
  /** Where the first gathered byte belongs. */
  #position: number;
  #buffer = Buffer.allocUnsafe(16 * 1024);
  #filled = 0;

  constructor(file: DiskFile, position: number) {
    this.#file = file;
    this.#position = position;
  }

  /** Goes on at another place. Everything gathered must have been flushed. */
  moveTo(file: DiskFile, position: number): void {
    this.#file = file;
    this.#position = position;
    this.#filled = 0;
  }

  /** Where the next byte goes. */
  get end(): number {
    return this.#position + this.#filled;
  }

  get gatheredBytes(): number {
    return this.#filled;
  }

  /**
   * Returns the number of bytes that each entry of the record takes; the first stands at what was `end`. `back`: see
   * `ParsedEntry`; 0 in a file that is synced as a whole before it is used.
   */
  addRecord(record: LogRecord, back = 0): number[] {
    this.#reserve(encodedBytesMax(record));
    return encodeRecord(record, this.#buffer, this.#filled, back).map((end) => {
      const bytes = end - this.#filled;
      this.#filled = end;
      return bytes;
    });
  }

  /**
   * Adds a record that has been found in a file, with only the `kept` ones of its changes. Returns what `addRecord`
   * does. `position` is the record's own, or what one of the original program gets.
   */
  addFound(
    { record, window, start, bytes }: RecordToken,
    kept: readonly ParsedEntry[],
    position: Position,
  ): number[] {
    if (record.legacy || kept.length < record.changes.length) {
      return this.addRecord(toLogRecord(window, record, position, kept));
    }
    this.addBytes(window.subarray(start, start + bytes));
    return kept.map((entry) => entry.end - entry.start);
  }

  addBytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  addLine(line: string): void {
    this.addBytes(Buffer.from(line, "latin1"));
  }

  /** Writes what has been gathered, without a sync. Nothing must be added meanwhile. */
  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    await this.#file.write(this.#buffer.subarray(0, this.#filled), this.#position);
    this.#position += this.#filled;
    this.#filled = 0;
    if (this.#buffer.length > bufferBytes) this.#buffer = Buffer.allocUnsafe(bufferBytes);
  }

  #reserve(bytes: number): void {
    const needed = this.#filled + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#filled);
    this.#buffer = larger;
  }
}
