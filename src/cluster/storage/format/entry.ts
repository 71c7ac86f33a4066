import type { Change, MoveMark, Position } from "../model.ts";
import { decodeBase64, decodeText, encodeBase64, encodeText, isBase64 } from "./base64.ts";
import {
  type Commit,
  type CommitOptions,
  type EntryLines,
  entryChecksum,
  formatOptions,
  noOptions,
  parseCommit,
} from "./commit-line.ts";
import { isMoveFitting, moveOf, optionsOfMove } from "./move-options.ts";
import { formatChecksum } from "./numbers.ts";
import { type ParseError, parseError } from "./parse-error.ts";

/**
 * An entry is what a record does to one key. It has three lines: the key in base64, the value in base64 or `-`, and the
 * commit line. When a record changes several keys, the commit line begins with `+` instead of `#` in all entries but the
 * last. Entries of the original program end in a bare `#`. See docs/log-format.md.
 */

/** A parsed entry: its fields, and where its parts are in the buffer that it was parsed from. */
export interface ParsedEntry extends Position, Omit<Change, "kind" | "value"> {
  /** All but those of a change are the only entry of a record without changes. */
  readonly kind: Change["kind"] | "epoch" | "done" | "release" | "accept";
  readonly requestId: string | undefined;
  /** Of the record. Set in its last entry. */
  readonly move: MoveMark | undefined;
  /** Number of entries of the record that this one ends; 0 when more follow. */
  readonly ends: number;
  /**
   * Bytes from the beginning of the write that contained the record to the beginning of the record. Everything before
   * that write had been synced when it was written. Set in the last entry of a record.
   */
  readonly back: number;
  /** Whether the original program wrote it: then epoch and seq are 0. */
  readonly legacy: boolean;
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Offset after its last line feed. */
  readonly end: number;
}

/** An entry to write: a change, or the only entry of a record without changes. */
export interface Entry {
  readonly position: Position;
  /** Undefined in a record without changes. */
  readonly change: Change | undefined;
  readonly requestId: string | undefined;
  /** See `ParsedEntry.move`. */
  readonly move: MoveMark | undefined;
  /** See `ParsedEntry.ends`. */
  readonly ends: number;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

/** An upper bound of the bytes of the commit line and the line feeds, when every option has its longest value. */
export const entryOverheadBytes = 256;

const hash = 35; // "#"
const plus = 43; // "+"
const minus = 45; // "-"

/** Writes an entry into `into`, which must have room, and returns where it ends. */
export function encodeEntry(entry: Entry, into: Buffer, start: number): number {
  const { position, change, ends } = entry;
  let end = start;
  if (change !== undefined) end = encodeText(change.key, into, end);
  into[end++] = 10;
  if (change?.kind === "put") {
    end = encodeBase64(change.value, into, end);
  } else {
    into[end++] = minus;
  }
  into[end++] = 10;
  end += into.write(`${ends > 0 ? "#" : "+"} ${position.epoch}.${position.seq}`, end, "latin1");
  const options = formatOptions(optionsOf(entry));
  const checksum = formatChecksum(entryChecksum(into.subarray(start, end), options));
  return end + into.write(` ${checksum}${options}\n`, end, "latin1");
}

function optionsOf({ change, requestId, move, ends: batch, back }: Entry): CommitOptions {
  const ofMove = optionsOfMove(move);
  if (change === undefined) {
    const kind = ofMove.kind ?? (requestId === undefined ? "epoch" : "done");
    return { ...noOptions, ...ofMove, kind, requestId, batch, back };
  }
  const { text, expiresMs, previous } = change;
  const kind = change.kind === "expire" ? change.kind : undefined;
  return { ...noOptions, ...ofMove, kind, text, expiresMs, previous, requestId, batch, back };
}

/** Parses an entry. Entries of the original program, which have no checksum, are accepted if `legacyAllowed`. */
export function parseEntry(
  bytes: Buffer,
  lines: EntryLines,
  legacyAllowed: boolean,
): ParsedEntry | ParseError {
  const { start, keyEnd, valueEnd, commitEnd } = lines;
  const valueStart = keyEnd + 1;
  const commitStart = valueEnd + 1;
  if (!isBase64(bytes, start, keyEnd)) return parseError("its key is not base64");
  const isEmpty = valueEnd - valueStart === 1 && bytes[valueStart] === minus;
  if (!isEmpty && !isBase64(bytes, valueStart, valueEnd)) return parseError("its value is not base64");
  const mark = bytes[commitStart];
  if (mark !== hash && mark !== plus) return parseError("its third line is no commit line");
  const legacy = commitEnd - commitStart === 1 && mark === hash;
  if (legacy && !legacyAllowed) return parseError("its commit line has no checksum");
  if (legacy && isEmpty) return parseError("its value is not base64");
  const commit = legacy ? legacyCommit : parseCommit(bytes, lines);
  if (commit.kind === "parse-error") return commit;
  const key = decodeText(bytes, start, keyEnd);
  if (key === undefined) return parseError("its key is not UTF-8");
  const { position, options } = commit;
  if (!isFitting(options, { key, isEmpty, isContinued: mark === plus })) {
    return parseError("its options do not fit its key and value");
  }
  return {
    kind: options.kind ?? (isEmpty ? "delete" : "put"),
    epoch: position.epoch,
    seq: position.seq,
    key,
    text: options.text,
    expiresMs: options.expiresMs,
    previous: options.previous,
    requestId: options.requestId,
    move: moveOf(options),
    ends: mark === plus ? 0 : options.batch,
    back: options.back,
    legacy,
    start,
    valueStart,
    valueEnd,
    end: commitEnd + 1,
  };
}

const legacyCommit: Commit = { kind: "commit", position: { epoch: 0, seq: 0 }, options: noOptions };

interface EntryShape {
  readonly key: string;
  /** Whether it has no value. */
  readonly isEmpty: boolean;
  /** Whether another entry of its record follows. */
  readonly isContinued: boolean;
}

function isFitting(options: CommitOptions, { key, isEmpty, isContinued }: EntryShape): boolean {
  const { kind, text, expiresMs, previous, requestId, batch, back } = options;
  if (isContinued && (requestId !== undefined || batch !== 1 || back !== 0)) return false;
  if (isEmpty ? text || expiresMs !== undefined : kind !== undefined) return false;
  if (!isMoveFitting(options, { isEmpty, isContinued })) return false;
  if (kind === undefined || kind === "expire") return true;
  if (isContinued || batch !== 1 || previous !== 0 || key !== "") return false;
  return (kind === "done") === (requestId !== undefined);
}

/** What the entry does to its key. Undefined when it stands for a record without changes. */
export function changeKindOf({ kind }: ParsedEntry): Change["kind"] | undefined {
  return kind === "put" || kind === "delete" || kind === "expire" ? kind : undefined;
}

/** The change that the entry makes, with a copy of its value. Undefined when it changes no key. */
export function toChange(bytes: Buffer, entry: ParsedEntry): Change | undefined {
  const { key, text, expiresMs, previous, valueStart, valueEnd } = entry;
  const kind = changeKindOf(entry);
  if (kind === undefined) return undefined;
  const value = kind === "put" ? decodeBase64(bytes, valueStart, valueEnd) : new Uint8Array();
  return { kind, key, value, text, previous, ...(expiresMs === undefined ? {} : { expiresMs }) };
}
