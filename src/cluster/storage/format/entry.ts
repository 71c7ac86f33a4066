import crc32 from "crc-32";
import type { Change, Position } from "../model.ts";
import { decodeBase64, decodeText, isBase64 } from "./base64.ts";
import { formatChecksum, parseCount } from "./numbers.ts";
import { newerVersionError, type ParseError, parseError } from "./parse-error.ts";

/**
 * Entries as they stand in a log file, three lines each: the key in base64, the value in base64 or `-`, and
 * `# <epoch>.<seq> <checksum> [option=value ...]`. The checksum is the CRC-32 of all of the entry but the checksum
 * itself, the space before it and the last line end. The original program's entries end in a bare `#`.
 *
 * An entry is what a record does to one key; of a record that changes several keys all but the last have `+` for `#`.
 */

/** What an entry says, and where its parts lie in the buffer that it was parsed from. */
export interface ParsedEntry extends Position, Omit<Change, "kind" | "value"> {
  /** `epoch` and `done` make up a record without changes. */
  readonly kind: Change["kind"] | "epoch" | "done";
  readonly requestId: string | undefined;
  /** Number of entries of the record that this one ends; 0 when more follow. */
  readonly ends: number;
  /**
   * Of a record that this entry ends: how far before its begin that of the write lies which it was a part of. What
   * stands before that was synced.
   */
  readonly back: number;
  /** Whether the original program wrote it. Epoch and seq are 0 then. */
  readonly legacy: boolean;
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Behind its last line end. */
  readonly end: number;
}

/** An entry to write: a change, or what stands for none. */
export interface Entry {
  readonly position: Position;
  /** Undefined in a record without changes. */
  readonly change: Change | undefined;
  readonly requestId: string | undefined;
  /** See `ParsedEntry.ends`. */
  readonly ends: number;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

/** More than a commit line of ours and the line ends take, with options that all have their longest values. */
export const entryOverheadBytes = 256;

const requestIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether this can stand for a request. */
export function isRequestId(text: string): boolean {
  return requestIdPattern.test(text);
}

const hash = 35; // "#"
const plus = 43; // "+"
const minus = 45; // "-"

/** Writes an entry into `into` and returns where it ends. There must be room. */
export function encodeEntry(
  { position, change, requestId, ends, back }: Entry,
  into: Buffer,
  start: number,
): number {
  let end = start;
  if (change !== undefined) end += into.write(Buffer.from(change.key).toString("base64"), end, "latin1");
  into[end++] = 10;
  if (change?.kind === "put") {
    const { buffer, byteOffset, byteLength } = change.value;
    end += into.write(Buffer.from(buffer, byteOffset, byteLength).toString("base64"), end, "latin1");
  } else {
    into[end++] = minus;
  }
  into[end++] = 10;
  end += into.write(`${ends > 0 ? "#" : "+"} ${position.epoch}.${position.seq}`, end, "latin1");
  const options = formatOptions(change, requestId, ends, back);
  const checksum = formatChecksum(entryChecksum(into.subarray(start, end), options));
  return end + into.write(` ${checksum}${options}\n`, end, "latin1");
}

function formatOptions(
  change: Change | undefined,
  requestId: string | undefined,
  ends: number,
  back: number,
): string {
  let options = "";
  if (change === undefined) {
    options = requestId === undefined ? " kind=epoch" : " kind=done";
  } else {
    if (change.kind === "expire") options += " kind=expire";
    if (change.text) options += " text=1";
    if (change.expiresMs !== undefined) options += ` expires=${change.expiresMs}`;
    if (change.previous > 0) options += ` prev=${change.previous}`;
  }
  if (requestId !== undefined) options += ` id=${requestId}`;
  if (back > 0) options += ` back=${back}`;
  return ends > 1 ? `${options} batch=${ends}` : options;
}

/**
 * Parses the entry whose lines end (before their line ends) at `keyEnd`, `valueEnd` and `commitEnd`. Only an entry
 * with a checksum, or one of the original program if `legacyAllowed`, is accepted.
 */
export function parseEntry(
  bytes: Buffer,
  start: number,
  keyEnd: number,
  valueEnd: number,
  commitEnd: number,
  legacyAllowed: boolean,
): ParsedEntry | ParseError {
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
  const commit = legacy ? legacyCommit : parseCommit(bytes, start, commitStart, commitEnd);
  if (commit.kind === "parse-error") return commit;
  const key = decodeText(bytes, start, keyEnd);
  if (key === undefined) return parseError("its key is not UTF-8");
  const { position, options } = commit;
  if (!isFitting(options, key, isEmpty, mark === plus)) {
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
    ends: mark === plus ? 0 : options.batch,
    back: options.back,
    legacy,
    start,
    valueStart,
    valueEnd,
    end: commitEnd + 1,
  };
}

function isFitting(options: Options, key: string, isEmpty: boolean, isContinued: boolean): boolean {
  const { kind, text, expiresMs, previous, requestId, batch, back } = options;
  if (isContinued && (requestId !== undefined || batch !== 1 || back !== 0)) return false;
  if (isEmpty ? text || expiresMs !== undefined : kind !== undefined) return false;
  if (kind === undefined || kind === "expire") return true;
  if (isContinued || batch !== 1 || previous !== 0 || key !== "") return false;
  return (kind === "done") === (requestId !== undefined);
}

/** What the parsed entry does, with a value of its own; undefined when it is no change. */
export function toChange(bytes: Buffer, entry: ParsedEntry): Change | undefined {
  const { kind, key, text, expiresMs, previous, valueStart, valueEnd } = entry;
  if (kind === "epoch" || kind === "done") return undefined;
  const value = kind === "put" ? decodeBase64(bytes, valueStart, valueEnd) : new Uint8Array();
  return { kind, key, value, text, previous, ...(expiresMs === undefined ? {} : { expiresMs }) };
}

interface Options {
  kind: "epoch" | "done" | "expire" | undefined;
  text: boolean;
  expiresMs: number | undefined;
  previous: number;
  requestId: string | undefined;
  /** Entries of the record. */
  batch: number;
  back: number;
}

interface Commit {
  readonly kind: "commit";
  readonly position: Position;
  readonly options: Options;
}

const noOptions: Options = {
  kind: undefined,
  text: false,
  expiresMs: undefined,
  previous: 0,
  requestId: undefined,
  batch: 1,
  back: 0,
};
const legacyCommit: Commit = { kind: "commit", position: { epoch: 0, seq: 0 }, options: noOptions };

/** Longest commit line: what is longer was not written by any version. */
const commitBytesMax = 4096;

const commitPattern = /^[#+] (\d{1,16})\.(\d{1,16}) ([0-9a-f]{8})((?: [^ ]+)*)$/;

/** Whether something can be added to the text from `start` on so that it is the commit line of an entry. */
export function isCommitStart(text: Buffer, start: number): boolean {
  if (text.length - start > commitBytesMax) return false;
  return /^([#+]( (\d{1,16}(\.(\d{1,16}( ([0-9a-f]{0,8}|[0-9a-f]{8}( [!-~]*)+))?)?)?)?)?)?$/.test(
    text.toString("latin1", start),
  );
}

function parseCommit(bytes: Buffer, start: number, commitStart: number, end: number): Commit | ParseError {
  if (end - commitStart > commitBytesMax) return parseError("its commit line is malformed");
  const line = bytes.toString("latin1", commitStart, end);
  const match = commitPattern.exec(line);
  if (match === null) return parseError("its commit line is malformed");
  const [, epochText = "", seqText = "", checksum = "", optionsText = ""] = match;
  const coveredEnd = commitStart + "# .".length + epochText.length + seqText.length;
  if (entryChecksum(bytes.subarray(start, coveredEnd), optionsText) !== Number.parseInt(checksum, 16)) {
    return parseError("its checksum does not match");
  }
  const epoch = parseCount(epochText);
  const seq = parseCount(seqText);
  if (epoch === undefined || seq === undefined || seq === 0)
    return parseError("its commit line is malformed");
  const options = optionsText === "" ? noOptions : parseOptions(optionsText.slice(1).split(" "));
  return "reason" in options ? options : { kind: "commit", position: { epoch, seq }, options };
}

function parseOptions(parts: readonly string[]): Options | ParseError {
  const options = { ...noOptions };
  for (const part of parts) if (!takeOption(options, part)) return newerVersionError(`record option ${part}`);
  return options;
}

/** Returns whether the option is one that this version knows. */
function takeOption(options: Options, part: string): boolean {
  const equals = part.indexOf("=");
  const text = part.slice(equals + 1);
  switch (part.slice(0, equals)) {
    case "kind":
      if (text !== "epoch" && text !== "done" && text !== "expire") return false;
      options.kind = text;
      return true;
    case "text":
      options.text = true;
      return text === "1";
    case "expires":
      options.expiresMs = parseCount(text);
      return options.expiresMs !== undefined;
    case "prev":
      options.previous = parseCount(text) ?? 0;
      return options.previous > 0;
    case "id":
      options.requestId = text;
      return isRequestId(text);
    case "back":
      options.back = parseCount(text) ?? 0;
      return options.back > 0;
    case "batch":
      options.batch = parseCount(text) ?? 0;
      return options.batch > 1;
    default:
      return false;
  }
}

function entryChecksum(covered: Uint8Array, options: string): number {
  const checksum = crc32.buf(covered);
  return (options === "" ? checksum : crc32.buf(Buffer.from(options, "latin1"), checksum)) >>> 0;
}
