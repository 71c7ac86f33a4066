import type { LogRecord, MoveMark, Position } from "../model.ts";
import { changeKindOf, encodeEntry, entryOverheadBytes, type ParsedEntry, toChange } from "./entry.ts";
import { formatName } from "./names.ts";
import { type ParseError, parseError } from "./parse-error.ts";

/**
 * Records in a log file. A record is one entry, or a batch of several. The entries of a batch follow each other and are
 * valid only together. The last one has their number.
 */

/** Longest record: `valueBytesLimit` in base64, plus the overhead of the largest number of entries in a batch. */
export const recordBytesMax = 96 * 1024 * 1024;

export interface ParsedRecord extends Position {
  readonly requestId: string | undefined;
  readonly move: MoveMark | undefined;
  /** Whether the original program wrote it: then epoch and seq are 0. */
  readonly legacy: boolean;
  /** See `ParsedEntry.back`. */
  readonly back: number;
  /** The entries that change a key. */
  readonly changes: readonly ParsedEntry[];
}

/** An upper bound of a record's bytes in the file. */
export function encodedBytesMax({ changes, move }: LogRecord): number {
  let bytes = entryOverheadBytes + formatName(groupOf(move)).length;
  for (const { key, value } of changes) {
    bytes += base64Bytes(Buffer.byteLength(key)) + base64Bytes(value.length) + entryOverheadBytes;
  }
  return bytes;
}

function base64Bytes(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}

/** The other group that a mark names. */
function groupOf(move: MoveMark | undefined): string {
  if (move?.kind === "release") return move.to;
  return move?.kind === "accept" ? move.from : "";
}

/** Roughly a record's bytes in memory or in a message. */
export function contentBytes({ changes, requestId, move }: LogRecord): number {
  let bytes = 16 + (requestId?.length ?? 0) + groupOf(move).length;
  for (const { key, value } of changes) bytes += 16 + key.length + value.length;
  return bytes;
}

/** The same of several records. */
export function contentBytesOf(records: readonly LogRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += contentBytes(record);
  return bytes;
}

/**
 * Writes a record into `into`, which must have room for `encodedBytesMax`, and returns where each entry ends. `back`:
 * see `ParsedEntry.back`.
 */
export function encodeRecord(record: LogRecord, into: Buffer, start: number, back: number): number[] {
  const { changes, requestId, move } = record;
  if (changes.length === 0) {
    return [
      encodeEntry({ position: record, change: undefined, requestId, move, ends: 1, back }, into, start),
    ];
  }
  const ends: number[] = [];
  let end = start;
  for (const [index, change] of changes.entries()) {
    const isLast = index === changes.length - 1;
    const entry = isLast
      ? { position: record, change, requestId, move, ends: changes.length, back }
      : { position: record, change, requestId: undefined, move: undefined, ends: 0, back: 0 };
    end = encodeEntry(entry, into, end);
    ends.push(end);
  }
  return ends;
}

/** Joins consecutive entries, the last of which ends a record. */
export function joinEntries(entries: readonly ParsedEntry[]): ParsedRecord | ParseError {
  const last = entries.at(-1);
  if (last === undefined || last.ends !== entries.length) {
    return parseError(`it is ${entries.length} of ${last?.ends} changes of a batch`);
  }
  const { epoch, seq, requestId, move, legacy, back } = last;
  if (move?.kind === "forget" && entries.some(({ kind }) => kind !== "delete")) {
    return parseError("its options do not fit its key and value");
  }
  return {
    epoch,
    seq,
    requestId,
    move,
    legacy,
    back,
    changes: changeKindOf(last) === undefined ? [] : entries,
  };
}

/** The record that was parsed from `bytes`, with copies of its values. `kept`: the changes to keep of it. */
export function toLogRecord(
  bytes: Buffer,
  { requestId, move, changes }: ParsedRecord,
  { epoch, seq }: Position,
  kept: readonly ParsedEntry[] = changes,
): LogRecord {
  const left = kept.flatMap((entry) => toChange(bytes, entry) ?? []);
  return {
    epoch,
    seq,
    changes: left,
    ...(requestId === undefined ? {} : { requestId }),
    ...(move === undefined ? {} : { move }),
  };
}
