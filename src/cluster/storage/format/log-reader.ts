import type { DiskFile } from "../disk/disk.ts";
import type { ControlLine } from "./control-line.ts";
import type { ParsedRecord } from "./record.ts";
import { Tokenizer } from "./tokenizer.ts";

/** Where something stands in a file. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
  /** Number of its first line, from 1. */
  readonly line: number;
}

export interface RecordUnit extends Place {
  readonly kind: "record";
  readonly record: ParsedRecord;
  /** Has the record from `start` on. Valid until the next units are asked for. */
  readonly window: Buffer;
  readonly start: number;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

export interface ControlUnit extends Place {
  readonly kind: "control";
  readonly control: ControlLine;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

/** Bytes that are nothing, up to the next good unit or the end. */
export interface BadUnit extends Place {
  readonly kind: "bad";
  readonly reason: string;
  /** Whether they begin the file, and as a header does. */
  readonly isHeaderLike: boolean;
  /** Whether they are a record or control line of a later version. */
  readonly newer: boolean;
}

export type Unit = RecordUnit | ControlUnit | BadUnit;

export interface ScanOptions {
  readonly from: number;
  readonly to: number;
  /** Whether records of the original program may stand at `from`. */
  readonly legacyAllowed: boolean;
  /** Bytes to read and parse in one turn, if no record is longer. */
  readonly chunkBytes: number;
}

/** Of a scan that keeps others waiting no longer than a millisecond or so. */
export const smallChunkBytes = 64 * 1024;

const chunkBytes = 1024 * 1024;

export function wholeFile(to: number): ScanOptions {
  return { from: 0, to, legacyAllowed: true, chunkBytes };
}

/**
 * Splits part of a file into units, judged by checksum (by shape, for records of the original program), not by their
 * order. Together the units cover every byte. Memory: the chunk, or the longest record.
 */
export async function* scan(
  file: Pick<DiskFile, "read">,
  { from, to, legacyAllowed, chunkBytes }: ScanOptions,
): AsyncGenerator<Unit[], void, void> {
  const splitter = new Tokenizer(from, legacyAllowed);
  let buffer = Buffer.allocUnsafe(Math.max(1, Math.min(chunkBytes, to - from)));
  let filled = 0;
  let position = from;
  for (;;) {
    const room = Math.min(buffer.length - filled, to - position);
    const read = room === 0 ? 0 : await file.read(buffer.subarray(filled, filled + room), position);
    filled += read;
    position += read;
    const atEnd = position === to || read < room;
    const { units, consumed } = splitter.split(buffer.subarray(0, filled), atEnd);
    if (units.length > 0) yield units;
    if (atEnd) return;
    const rest = buffer.subarray(consumed, filled);
    if (rest.length * 2 > buffer.length) buffer = Buffer.allocUnsafe(buffer.length * 2);
    buffer.set(rest);
    filled = rest.length;
  }
}
