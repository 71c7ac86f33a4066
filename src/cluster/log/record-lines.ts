import crc32 from "crc-32";
import type { LogRecord, Position } from "../log-store.ts";
import { decodeBase64, decodeText, isBase64 } from "./base64.ts";
import { type Flaw, flaw, newerFlaw } from "./flaw.ts";
import { formatChecksum, parseCount } from "./numbers.ts";

/**
 * Records as they stand in a log file, three lines each: the key in base64, the value in base64 or `-`, and
 * `# <epoch>.<seq> <checksum> [option=value ...]`. The checksum is the CRC-32 of all of the record but the checksum
 * itself, the space before it and the last line end. The original program's records end in a bare `#`.
 */

/** Longest line: 64 MiB in base64, and something more. */
export const lineBytesMax = 96 * 1024 * 1024;

/** What a record's commit line says, and where its parts lie in the buffer that it was parsed from. */
export interface ParsedRecord extends Omit<LogRecord, "value"> {
  /** Whether the original program wrote it. Epoch and seq are 0 then. */
  readonly legacy: boolean;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** A record of the original program where none may stand. */
export const legacyOutOfPlace: Flaw = flaw("its commit line has no checksum");

const hash = 35; // "#"
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
  const checksum = formatChecksum(recordChecksum(into.subarray(start, end), options));
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
