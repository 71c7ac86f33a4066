import type { DiskFile } from "../disk/disk.ts";
import type { ParsedEntry } from "../format/entry.ts";
import { encodedBytesMax, encodeRecord, toLogRecord } from "../format/record.ts";
import { extendChecksum } from "../format/running-checksum.ts";
import { bytesOf, type RecordToken } from "../format/token.ts";
import type { LogRecord, Position } from "../model.ts";

/** A record of usual size fits into this; a larger buffer is given back after use. */
const bufferBytes = 1024 * 1024;

/** Gathers what is to be written at the end of a file. */
export class WriteBuffer {
  #file: DiskFile;
  /** Where the first gathered byte belongs. */
  #position = 0;
  /** Of the file up to there. */
  #checksum = 0;
  #buffer = Buffer.allocUnsafe(16 * 1024);
  #filled = 0;

  /** Begins at the beginning of the file. */
  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Goes on at another place; `checksum` is that of the file up to there. What was gathered is forgotten. */
  moveTo(file: DiskFile, position: number, checksum: number): void {
    this.#file = file;
    this.#position = position;
    this.#checksum = checksum;
    this.#filled = 0;
  }

  /** Where the next byte goes. */
  get end(): number {
    return this.#position + this.#filled;
  }

  /** CRC-32 of the file up to `end`. */
  get checksum(): number {
    return this.#filled === 0 ? this.#checksum : extendChecksum(this.#checksum, this.#gathered);
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
  addFound(token: RecordToken, kept: readonly ParsedEntry[], position: Position): number[] {
    const { record, window } = token;
    if (record.legacy || kept.length < record.changes.length) {
      return this.addRecord(toLogRecord(window, record, position, kept));
    }
    this.addBytes(bytesOf(token));
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
    await this.#file.write(this.#gathered, this.#position);
    this.#checksum = this.checksum;
    this.#position += this.#filled;
    this.#filled = 0;
    if (this.#buffer.length > bufferBytes) this.#buffer = Buffer.allocUnsafe(bufferBytes);
  }

  get #gathered(): Buffer {
    return this.#buffer.subarray(0, this.#filled);
  }

  #reserve(bytes: number): void {
    const needed = this.#filled + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#filled);
    this.#buffer = larger;
  }
}
