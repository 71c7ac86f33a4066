import crc32 from "crc-32";
import type { EpochStart, LogIdentity, LogRecord, Position } from "../log-store.ts";
import { decodeBase64, decodeText, isBase64 } from "./base64.ts";

/**
 * The lines of a log file.
 *
 * A record is three lines: its key in base64, its value in base64 or `-`, and
 * `# <epoch>.<seq> <checksum> [option=value ...]`. The checksum is the CRC-32 of all of the record but the checksum
 * itself, the space before it and the last line end. The original program's records end in a bare `#`.
 *
 * A control line is `!<word> [field ...] <checksum>`, the checksum that of everything before its space.
 */

/** Longest line: 64 MiB in base64, and something more. */
export const lineBytesMax = 96 * 1024 * 1024;

/** Version of the format. A program refuses files of a later one. */
const formatVersion = 1;

/** What a record's commit line says, and where its parts lie in the buffer that it was parsed from. */
export interface ParsedRecord extends Omit<LogRecord, "value"> {
  /** Whether the original program wrote it. Epoch and seq are 0 then. */
  readonly legacy: boolean;
  readonly valueStart: number;
  readonly valueEnd: number;
}

export interface Header {
  readonly kind: "header";
  readonly identity: LogIdentity | undefined;
  /** Whether a snapshot part follows, up to its base line. */
  readonly snapshot: boolean;
}

/** Ends a snapshot part: the live records up to `base` stand before it, with gaps. */
export interface BaseLine {
  readonly kind: "base";
  readonly base: Position;
  readonly records: number;
  readonly epochs: readonly EpochStart[];
  readonly promisedEpoch: number;
}

export interface PromiseLine {
  readonly kind: "promise";
  readonly epoch: number;
}

export type ControlLine = Header | BaseLine | PromiseLine;

/** Why some bytes are no record or control line. `newer`: they are, for a later version of this program. */
export interface Flaw {
  readonly kind: "flaw";
  readonly reason: string;
  readonly newer: boolean;
}

/** A record of the original program where none may stand. */
export const legacyOutOfPlace: Flaw = flaw("its commit line has no checksum");

const hash = 35; // "#"
const bang = 33; // "!"
const minus = 45; // "-"

/** An upper bound of the bytes that a record takes in the file. */
export function encodedBytesMax({ key, value }: LogRecord): number {
  return 4 * (key.length + 1) + 4 * Math.ceil(value.length / 3) + 100;
}

/** Writes a record into `into` and returns where it ends. There must be room for `encodedBytesMax`. */
export function encodeRecord(record: LogRecord, into: Buffer, start: number): number {
  const { kind, key, value } = record;
  let end = start + into.write(Buffer.from(key).toString("base64"), start, "latin1");
  into[end++] = 10;
  if (kind === "put") {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    end += into.write(bytes.toString("base64"), end, "latin1");
  } else {
    into[end++] = minus;
  }
  into[end++] = 10;
  end += into.write(`# ${record.epoch}.${record.seq}`, end, "latin1");
  const options = kind === "epoch" ? " kind=epoch" : record.text ? " text=1" : "";
  const checksum = hex(recordChecksum(into.subarray(start, end), options));
  return end + into.write(` ${checksum}${options}\n`, end, "latin1");
}

/**
 * Parses the record whose lines end (before their line ends) at `keyEnd`, `valueEnd` and `end`. Only a record with a
 * checksum, or one of the original program if `legacyAllowed`, is accepted.
 */
export function parseRecord(
  bytes: Buffer,
  start: number,
  keyEnd: number,
  valueEnd: number,
  end: number,
  legacyAllowed: boolean,
): ParsedRecord | Flaw {
  const valueStart = keyEnd + 1;
  const commitStart = valueEnd + 1;
  if (!isBase64(bytes, start, keyEnd)) return flaw("its key is not base64");
  const isEmpty = valueEnd - valueStart === 1 && bytes[valueStart] === minus;
  if (!isEmpty && !isBase64(bytes, valueStart, valueEnd)) return flaw("its value is not base64");
  if (bytes[commitStart] !== hash) return flaw("its third line is no commit line");
  const legacy = end - commitStart === 1;
  if (legacy && !legacyAllowed) return legacyOutOfPlace;
  if (legacy && isEmpty) return flaw("its value is not base64");
  const commit = legacy ? legacyCommit : parseCommit(bytes, start, commitStart, end);
  if (commit.kind === "flaw") return commit;
  const key = decodeText(bytes, start, keyEnd);
  if (key === undefined) return flaw("its key is not UTF-8");
  const kind = commit.isEpoch ? "epoch" : isEmpty ? "delete" : "put";
  if (commit.isEpoch ? !isEmpty || key !== "" : commit.text && isEmpty) {
    return flaw("its options do not fit its key and value");
  }
  const { epoch, seq, text } = commit;
  return { kind, epoch, seq, text, key, legacy, valueStart, valueEnd };
}

/** The record that was parsed from `bytes`, with a value of its own. */
export function toLogRecord(bytes: Buffer, parsed: ParsedRecord): LogRecord {
  const { kind, epoch, seq, key, text } = parsed;
  const value = kind === "put" ? decodeBase64(bytes, parsed.valueStart, parsed.valueEnd) : new Uint8Array();
  return { kind, epoch, seq, key, value, text };
}

export function isControlLine(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === bang;
}

export function formatControlLine(line: ControlLine): string {
  const body = controlBody(line);
  return `${body} ${hex(crc32.buf(Buffer.from(body)) >>> 0)}\n`;
}

function controlBody(line: ControlLine): string {
  switch (line.kind) {
    case "header": {
      const { identity, snapshot } = line;
      const fields = [`!kvlab ${formatVersion}`];
      if (identity !== undefined) {
        const { group, number, storeId } = identity;
        fields.push(
          `group=${encodeURIComponent(group)}`,
          `number=${number}`,
          `store=${encodeURIComponent(storeId)}`,
        );
      }
      if (snapshot) fields.push("snapshot=1");
      return fields.join(" ");
    }
    case "base": {
      const { base, records, epochs, promisedEpoch } = line;
      const starts = epochs.map(({ epoch, firstSeq }) => `${epoch}:${firstSeq}`).join(",");
      return `!base ${base.epoch}.${base.seq} records=${records} epochs=${starts} promised=${promisedEpoch}`;
    }
    case "promise":
      return `!promise ${line.epoch}`;
  }
}

/** Parses a line that begins with `!` and ends, before its line end, at `end`. */
export function parseControlLine(bytes: Buffer, start: number, end: number): ControlLine | Flaw {
  const checksumStart = end - 8;
  const body = bytes.subarray(start, Math.max(start, checksumStart - 1));
  if (
    bytes.toString("latin1", Math.max(start, checksumStart - 1), end) !== ` ${hex(crc32.buf(body) >>> 0)}`
  ) {
    return flaw("its checksum does not match");
  }
  const [word = "", ...fields] = body.toString("latin1").split(" ");
  switch (word) {
    case "!kvlab":
      return parseHeader(fields);
    case "!base":
      return parseBase(fields);
    case "!promise": {
      const epoch = fields.length === 1 ? parseCount(fields[0]) : undefined;
      return epoch === undefined ? newerFlaw(body) : { kind: "promise", epoch };
    }
    default:
      return newerFlaw(body);
  }
}

function parseHeader([version, ...fields]: string[]): Header | Flaw {
  if (version !== String(formatVersion)) {
    return {
      kind: "flaw",
      newer: true,
      reason: `format ${version}; this program knows format ${formatVersion}`,
    };
  }
  const { group, number, store, snapshot, ...others } = parseFields(fields);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return newerFlaw(`header field ${unknown}`);
  if (snapshot !== undefined && snapshot !== "1") return newerFlaw(`snapshot=${snapshot}`);
  const isSnapshot = snapshot === "1";
  if (group === undefined && number === undefined && store === undefined) {
    return { kind: "header", identity: undefined, snapshot: isSnapshot };
  }
  const groupName = decodeName(group);
  const storeId = decodeName(store);
  const parsedNumber = parseCount(number);
  if (groupName === undefined || storeId === undefined || parsedNumber === undefined) {
    return newerFlaw(fields.join(" "));
  }
  return {
    kind: "header",
    identity: { group: groupName, number: parsedNumber, storeId },
    snapshot: isSnapshot,
  };
}

function decodeName(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function parseBase([place, ...fields]: string[]): BaseLine | Flaw {
  const { records, epochs, promised, ...others } = parseFields(fields);
  const base = parsePosition(place);
  const count = parseCount(records);
  const promisedEpoch = parseCount(promised);
  const starts = epochs === undefined ? undefined : parseEpochs(epochs);
  if (
    base === undefined ||
    count === undefined ||
    promisedEpoch === undefined ||
    starts === undefined ||
    Object.keys(others).length > 0
  ) {
    return newerFlaw(`!base ${place} ${fields.join(" ")}`);
  }
  return { kind: "base", base, records: count, epochs: starts, promisedEpoch };
}

function parseEpochs(text: string): EpochStart[] | undefined {
  if (text === "") return [];
  const starts: EpochStart[] = [];
  for (const part of text.split(",")) {
    const [epochText, seqText, ...rest] = part.split(":");
    const epoch = parseCount(epochText);
    const firstSeq = parseCount(seqText);
    if (epoch === undefined || firstSeq === undefined || rest.length > 0) return undefined;
    starts.push({ epoch, firstSeq });
  }
  return starts;
}

interface Commit extends Position {
  readonly kind: "commit";
  readonly text: boolean;
  readonly isEpoch: boolean;
}

const legacyCommit: Commit = { kind: "commit", epoch: 0, seq: 0, text: false, isEpoch: false };

/** Longest commit line: what is longer was not written by any version. */
const commitBytesMax = 4096;

const commitPattern = /^# (\d{1,16})\.(\d{1,16}) ([0-9a-f]{8})((?: [^ ]+)*)$/;

function parseCommit(bytes: Buffer, start: number, commitStart: number, end: number): Commit | Flaw {
  if (end - commitStart > commitBytesMax) return flaw("its commit line is malformed");
  const line = bytes.toString("latin1", commitStart, end);
  const match = commitPattern.exec(line);
  if (match === null) return flaw("its commit line is malformed");
  const [, epochText = "", seqText = "", checksum = "", options = ""] = match;
  const coveredEnd = commitStart + "# .".length + epochText.length + seqText.length;
  if (recordChecksum(bytes.subarray(start, coveredEnd), options) !== Number.parseInt(checksum, 16)) {
    return flaw("its checksum does not match");
  }
  const epoch = parseCount(epochText);
  const seq = parseCount(seqText);
  if (epoch === undefined || seq === undefined || seq === 0) return flaw("its commit line is malformed");
  let text = false;
  let isEpoch = false;
  if (options !== "") {
    for (const option of options.slice(1).split(" ")) {
      if (option === "text=1") text = true;
      else if (option === "kind=epoch") isEpoch = true;
      else return newerFlaw(`record option ${option}`);
    }
  }
  return { kind: "commit", epoch, seq, text, isEpoch };
}

function recordChecksum(covered: Uint8Array, options: string): number {
  const checksum = crc32.buf(covered);
  return (options === "" ? checksum : crc32.buf(Buffer.from(options, "latin1"), checksum)) >>> 0;
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

function parsePosition(text: string | undefined): Position | undefined {
  const [epochText, seqText, ...rest] = text?.split(".") ?? [];
  const epoch = parseCount(epochText);
  const seq = parseCount(seqText);
  return epoch === undefined || seq === undefined || rest.length > 0 ? undefined : { epoch, seq };
}

/** A whole number written as we write it. */
function parseCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

function parseFields(fields: readonly string[]): Partial<Record<string, string>> {
  return Object.fromEntries(
    fields.map((field) => {
      const [name = "", ...value] = field.split("=");
      return [name, value.join("=")];
    }),
  );
}

function flaw(reason: string): Flaw {
  return { kind: "flaw", reason, newer: false };
}

/** The checksum is right, so these bytes were written so: by a version that knows more. */
function newerFlaw(what: string | Buffer): Flaw {
  const shown = typeof what === "string" ? what : what.toString("latin1");
  return { kind: "flaw", reason: `${shown}: a later version of this program has written it`, newer: true };
}
