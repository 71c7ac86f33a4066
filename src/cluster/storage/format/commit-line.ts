import crc32 from "crc-32";
import type { Position } from "../model.ts";
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

export interface CommitOptions {
  readonly kind: "epoch" | "done" | "expire" | undefined;
  readonly text: boolean;
  readonly expiresMs: number | undefined;
  readonly previous: number;
  readonly requestId: string | undefined;
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

const commitPattern = /^[#+] (\d{1,16})\.(\d{1,16}) ([0-9a-f]{8})((?: [^ ]+)*)$/;

const requestIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether the text is a valid request id. */
export function isRequestId(text: string): boolean {
  return requestIdPattern.test(text);
}

/** The options of a commit line, with a space before each. */
export function formatOptions(options: CommitOptions): string {
  const { kind, text, expiresMs, previous, requestId, batch, back } = options;
  let formatted = kind === undefined ? "" : ` kind=${kind}`;
  if (text) formatted += " text=1";
  if (expiresMs !== undefined) formatted += ` expires=${expiresMs}`;
  if (previous > 0) formatted += ` prev=${previous}`;
  if (requestId !== undefined) formatted += ` id=${requestId}`;
  if (back > 0) formatted += ` back=${back}`;
  return batch > 1 ? `${formatted} batch=${batch}` : formatted;
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
  const match = commitPattern.exec(bytes.toString("latin1", commitStart, commitEnd));
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

/** Sets the option. Returns false when this version does not know it. */
function takeOption(
  options: { -readonly [Name in keyof CommitOptions]: CommitOptions[Name] },
  part: string,
): boolean {
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
