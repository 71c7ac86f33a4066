import crc32 from "crc-32";
import type { Position } from "../model.ts";
import { formatName, parseName } from "./names.ts";
import { parseCount } from "./numbers.ts";
import { newerVersionError, type ParseError, parseError } from "./parse-error.ts";

/** The third line of an entry: its position, the checksum of the entry, and options. See docs/log-format.md. */

/** Where the lines of an entry are in a buffer. Each end is the offset of the line feed. */
export interface EntryLines {
  readonly start: number;
  readonly keyEnd: number;
  readonly valueEnd: number;
  readonly commitEnd: number;
}

const lineFeed = 10;

/** Where the lines of an entry at `start` end. -1 for those whose end is not in the buffer. */
export function findLines(bytes: Buffer, start: number): EntryLines {
  const keyEnd = bytes.indexOf(lineFeed, start);
  const valueEnd = keyEnd < 0 ? -1 : bytes.indexOf(lineFeed, keyEnd + 1);
  const commitEnd = valueEnd < 0 ? -1 : bytes.indexOf(lineFeed, valueEnd + 1);
  return { start, keyEnd, valueEnd, commitEnd };
}

export interface CommitOptions {
  readonly kind: "epoch" | "done" | "expire" | "release" | "accept" | undefined;
  readonly text: boolean;
  readonly expiresMs: number | undefined;
  readonly previous: number;
  readonly requestId: string | undefined;
  /** Of a copy: the revision of the record that it was copied from; otherwise 0. */
  readonly copy: number;
  readonly forget: boolean;
  /** Of `release` and `accept`; otherwise 0. */
  readonly change: number;
  /** The other group of the move. */
  readonly group: string | undefined;
  /** Of `accept`, as the next two: the last revision of the other group. */
  readonly revision: number | undefined;
  readonly ahead: number | undefined;
  readonly requestsAfter: number | undefined;
  /** Number of entries of the record. */
  readonly batch: number;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

export const noOptions: CommitOptions = {
  kind: undefined,
  text: false,
  expiresMs: undefined,
  previous: 0,
  requestId: undefined,
  copy: 0,
  forget: false,
  change: 0,
  group: undefined,
  revision: undefined,
  ahead: undefined,
  requestsAfter: undefined,
  batch: 1,
  back: 0,
};

export interface Commit {
  readonly kind: "commit";
  readonly position: Position;
  readonly options: CommitOptions;
}

/** No version writes a longer commit line. */
const commitBytesMax = 4096;

/** Of `# ` or `+ `. */
const markLength = 2;
const checksumLength = 8;
const checksumPattern = /^[0-9a-f]{8}$/;

const requestIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether the text is a valid request id. */
export function isRequestId(text: string): boolean {
  return requestIdPattern.test(text);
}

/** The options of a commit line, with a space before each. */
export function formatOptions(options: CommitOptions): string {
  const { kind, text, expiresMs, previous, requestId, batch, back, copy, forget } = options;
  let formatted = kind === undefined ? "" : ` kind=${kind}`;
  if (kind === "release" || kind === "accept") formatted += formatMoveOptions(options);
  if (text) formatted += " text=1";
  if (expiresMs !== undefined) formatted += ` expires=${expiresMs}`;
  if (previous > 0) formatted += ` prev=${previous}`;
  if (requestId !== undefined) formatted += ` id=${requestId}`;
  if (copy > 0) formatted += ` copy=${copy}`;
  if (forget) formatted += " forget=1";
  if (back > 0) formatted += ` back=${back}`;
  return batch > 1 ? `${formatted} batch=${batch}` : formatted;
}

function formatMoveOptions({ change, group = "", revision, ahead, requestsAfter }: CommitOptions): string {
  const formatted = ` change=${change} group=${formatName(group)}`;
  if (revision === undefined) return formatted;
  return `${formatted} rev=${revision} ahead=${ahead} requests=${requestsAfter}`;
}

/** The checksum of an entry. `covered`: its bytes from the key to the position. */
export function entryChecksum(covered: Uint8Array, options: string): number {
  const checksum = crc32.buf(covered);
  return (options === "" ? checksum : crc32.buf(Buffer.from(options, "latin1"), checksum)) >>> 0;
}

/** Parses the commit line of an entry, and checks the entry's checksum. */
export function parseCommit(bytes: Buffer, { start, valueEnd, commitEnd }: EntryLines): Commit | ParseError {
  const commitStart = valueEnd + 1;
  if (commitEnd - commitStart > commitBytesMax) return parseError("its commit line is malformed");
  const text = bytes.toString("latin1", commitStart, commitEnd);
  const dot = text.indexOf(".");
  const positionEnd = text.indexOf(" ", markLength);
  const checksumEnd = positionEnd + " ".length + checksumLength;
  const epoch = parseCount(text.slice(markLength, dot));
  const seq = parseCount(text.slice(dot + 1, positionEnd));
  const checksum = text.slice(positionEnd + 1, checksumEnd);
  const optionsText = text.slice(checksumEnd);
  const parts = optionsText.split(" ");
  // The first of the parts stands before the first space.
  const isWellFormed =
    (text.startsWith("# ") || text.startsWith("+ ")) &&
    checksumPattern.test(checksum) &&
    parts.every((part, index) => (part === "") === (index === 0));
  if (!isWellFormed || dot < 0 || epoch === undefined || seq === undefined || seq === 0) {
    return parseError("its commit line is malformed");
  }
  const covered = bytes.subarray(start, commitStart + positionEnd);
  if (entryChecksum(covered, optionsText) !== Number.parseInt(checksum, 16)) {
    return parseError("its checksum does not match");
  }
  const options = optionsText === "" ? noOptions : parseOptions(parts.slice(1));
  return "reason" in options ? options : { kind: "commit", position: { epoch, seq }, options };
}

/** Whether the text from `start` on can be a prefix of a commit line. */
export function isCommitStart(text: Buffer, start: number): boolean {
  if (text.length - start > commitBytesMax) return false;
  return /^([#+]( (\d{1,16}(\.(\d{1,16}( ([0-9a-f]{0,8}|[0-9a-f]{8}( [!-~]*)+))?)?)?)?)?)?$/.test(
    text.toString("latin1", start),
  );
}

function parseOptions(parts: readonly string[]): CommitOptions | ParseError {
  const options = { ...noOptions };
  for (const part of parts) if (!takeOption(options, part)) return newerVersionError(`record option ${part}`);
  return options;
}

function isKind(text: string): text is NonNullable<CommitOptions["kind"]> {
  return ["epoch", "done", "expire", "release", "accept"].includes(text);
}

/** Sets the option. Returns false when this version does not know it. */
function takeOption(
  options: { -readonly [Name in keyof CommitOptions]: CommitOptions[Name] },
  part: string,
): boolean {
  const equals = part.indexOf("=");
  const text = part.slice(equals + 1);
  switch (part.slice(0, equals)) {
    case "kind":
      if (!isKind(text)) return false;
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
    case "copy":
      options.copy = parseCount(text) ?? 0;
      return options.copy > 0;
    case "forget":
      options.forget = true;
      return text === "1";
    case "change":
      options.change = parseCount(text) ?? 0;
      return options.change > 0;
    case "group":
      options.group = parseName(text);
      return options.group !== undefined && options.group !== "";
    case "rev":
      options.revision = parseCount(text);
      return options.revision !== undefined;
    case "ahead":
      options.ahead = parseCount(text);
      return options.ahead !== undefined;
    case "requests":
      options.requestsAfter = parseCount(text);
      return options.requestsAfter !== undefined;
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
