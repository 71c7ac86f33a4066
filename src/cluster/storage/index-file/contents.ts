import type { KeyIndex } from "../index/key-index.ts";
import type { Answered, ForgottenRequests } from "../index/request-table.ts";
import type { EpochStart, Position } from "../model.ts";
import type { MoveHistoryJson } from "../move-history.ts";

/** Name of the index file of a log, and of the one that is to replace it. */
export function indexPaths(dbfile: string): { readonly path: string; readonly draft: string } {
  return { path: `${dbfile}.index`, draft: `${dbfile}.index-new` };
}

/** The first frame: of which log, and where that stood when the index file was begun. */
export interface IndexBegin {
  /** The log's file: see `DiskEntry.fileId`. */
  readonly file: string;
  /** The last visible record. Of later ones the other frames may know some, and may not know others. */
  readonly at: Position;
  /** Where in the log the record after that stands, or will: from here on the log must be read. */
  readonly from: number;
  readonly base: Position;
  /** Up to `at`. */
  readonly epochs: readonly EpochStart[];
  /** Up to `at`. */
  readonly moves: MoveHistoryJson;
  readonly promisedEpoch: number;
  readonly life?: string | undefined;
  readonly frameBytes: number;
  readonly forgotten: ForgottenRequests;
  /** How many there were, to make room for. */
  readonly keys: number;
}

/** The last frame: what the log was when everything else had been written, which it must be still. */
export interface IndexEnd {
  readonly logBytes: number;
  /** CRC-32 of so many bytes of the log. */
  readonly logChecksum: number;
  readonly keys: number;
}

/** In a frame, so many entries at most: encoded and decoded within a millisecond. */
export const entriesMax = 2048;

/** Some of the offsets, as pairs of seq and offset. */
export type OffsetList = readonly (readonly [seq: number, offset: number])[];

export type RequestList = readonly Answered[];

export function toJson(content: IndexBegin | IndexEnd | OffsetList | RequestList): Buffer {
  return Buffer.from(JSON.stringify(content));
}

/**
 * Of a key: 4 bytes each for the lengths of key and entry, 8 for seq, offset, expiry (0: never) and the revision of a copy
 * (0: it is none); then the key.
 */
const rowBytes = 40;

/** A frame of keys is written when it has so many bytes: gathered within a few milliseconds. */
const keysBytes = 32 * 1024;

/** Gathers rows of keys for a frame. */
export class KeyRows {
  #buffer = Buffer.alloc(keysBytes + 4096);
  #filled = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#filled >= keysBytes;
  }

  get content(): Buffer {
    return this.#buffer.subarray(0, this.#filled);
  }

  clear(): void {
    this.#filled = 0;
    this.#count = 0;
  }

  /** Adds a key of the index. */
  add(key: string, index: KeyIndex): void {
    const place = index.placeOf(key);
    if (place === undefined) return;
    const needed = this.#filled + rowBytes + 3 * key.length;
    if (needed > this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], needed);
    const at = this.#filled;
    const keyBytes = this.#buffer.write(key, at + rowBytes);
    this.#buffer.writeUInt32LE(keyBytes, at);
    this.#buffer.writeUInt32LE(place.bytes, at + 4);
    this.#buffer.writeDoubleLE(place.seq, at + 8);
    this.#buffer.writeDoubleLE(place.offset, at + 16);
    this.#buffer.writeDoubleLE(place.expiresMs ?? 0, at + 24);
    this.#buffer.writeDoubleLE(place.copiedRevision, at + 32);
    this.#filled = at + rowBytes + keyBytes;
    this.#count++;
  }
}

/** Takes the rows of a frame into an index. */
export function takeKeyRows(content: Buffer, index: KeyIndex): void {
  // On Node.js quicker than the methods of Buffer.
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  for (let at = 0; at < content.length; ) {
    const key = { from: content, start: at + rowBytes, length: view.getUint32(at, true) };
    const place = {
      bytes: view.getUint32(at + 4, true),
      seq: view.getFloat64(at + 8, true),
      offset: view.getFloat64(at + 16, true),
      copiedRevision: view.getFloat64(at + 32, true),
    };
    const expiresMs = view.getFloat64(at + 24, true) || undefined;
    index.set(key, place, expiresMs);
    at = key.start + key.length;
  }
}
