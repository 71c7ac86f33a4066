import crc32 from "crc-32";
import type { EpochStart, LogIdentity, MoveSummary, Position } from "../model.ts";
import { formatMoves, parseMoves } from "./move-fields.ts";
import { formatName, parseName } from "./names.ts";
import { formatChecksum, parseCount, parsePairs } from "./numbers.ts";
import { newerVersionError, type ParseError, parseError } from "./parse-error.ts";

/**
 * Control lines, between the records of a log file: `!<word> [field ...] <checksum>`. The checksum is the CRC-32 of
 * everything before the space in front of it.
 */

/** Version of the file format. A program refuses files of a later version. */
const formatVersion = 1;

const bang = 33; // "!"

export interface Header {
  readonly kind: "header";
  readonly identity: LogIdentity | undefined;
  /** The file that the header was written for, as `DiskEntry.fileId`. Earlier versions did not record it. */
  readonly fileId?: string | undefined;
  /** The last life that had begun when the header was written. */
  readonly life?: bigint | undefined;
  /** Whether a snapshot part follows, up to its base line. */
  readonly snapshot: boolean;
}

/** Ends a snapshot part, which has the live records up to `base`, with gaps. */
export interface BaseLine {
  readonly kind: "base";
  readonly base: Position;
  readonly records: number;
  readonly epochs: readonly EpochStart[];
  readonly promisedEpoch: number;
  /** See `KeyView.requestsAfter`. */
  readonly requestsAfter: number;
  /** What the records up to `base` say of moves. Undefined: nothing. */
  readonly moves?: MoveSummary | undefined;
}

/** See `ReplicaLog.beginLife`. */
export interface LifeLine {
  readonly kind: "life";
  readonly life: bigint;
}

export interface PromiseLine {
  readonly kind: "promise";
  readonly epoch: number;
}

/** A control line, with its offset in the write that contained it: see `ParsedEntry.back`. */
export interface ParsedLine {
  readonly kind: "line";
  readonly control: ControlLine;
  readonly back: number;
}

export type ControlLine = Header | BaseLine | PromiseLine | LifeLine;

export function isControlLine(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === bang;
}

/** `back`: see `ParsedEntry.back`. */
export function formatControlLine(line: ControlLine, back = 0): string {
  const body = back > 0 ? `${controlBody(line)} back=${back}` : controlBody(line);
  return `${body} ${formatChecksum(crc32.buf(Buffer.from(body)))}\n`;
}

function controlBody(line: ControlLine): string {
  switch (line.kind) {
    case "header": {
      const { identity, fileId, life, snapshot } = line;
      const fields = [`!kvlab ${formatVersion}`];
      if (identity !== undefined) {
        const { group, number, storeId, cluster, repaired } = identity;
        fields.push(`group=${formatName(group)}`, `number=${number}`, `store=${formatName(storeId)}`);
        if (cluster !== undefined) fields.push(`cluster=${cluster}`);
        if (repaired) fields.push("repaired=1");
      }
      if (fileId !== undefined) fields.push(`file=${formatName(fileId)}`);
      if (life !== undefined) fields.push(`life=${life}`);
      if (snapshot) fields.push("snapshot=1");
      return fields.join(" ");
    }
    case "base": {
      const { base, records, epochs, promisedEpoch, requestsAfter, moves } = line;
      const starts = epochs.map(({ epoch, firstSeq }) => `${epoch}:${firstSeq}`).join(",");
      const body = `!base ${base.epoch}.${base.seq} records=${records} epochs=${starts} promised=${promisedEpoch}`;
      const requests = requestsAfter > 0 ? ` requests=${requestsAfter}` : "";
      return body + requests + (moves === undefined ? "" : formatMoves(moves));
    }
    case "promise":
      return `!promise ${line.epoch}`;
    case "life":
      return `!life ${line.life}`;
  }
}

/** Parses a line that begins with `!`. `end` is the offset of its line feed. */
export function parseControlLine(bytes: Buffer, start: number, end: number): ParsedLine | ParseError {
  const checksumStart = end - 8;
  const body = bytes.subarray(start, Math.max(start, checksumStart - 1));
  if (
    bytes.toString("latin1", Math.max(start, checksumStart - 1), end) !==
    ` ${formatChecksum(crc32.buf(body))}`
  ) {
    return parseError("its checksum does not match");
  }
  const line = body.toString("latin1");
  const [, content = line, back = "0"] = /^(.*) back=([1-9]\d{0,8})$/.exec(line) ?? [];
  const control = parseContent(content);
  return control.kind === "parse-error" ? control : { kind: "line", control, back: Number(back) };
}

function parseContent(line: string): ControlLine | ParseError {
  const [word = "", ...fields] = line.split(" ");
  switch (word) {
    case "!kvlab":
      return parseHeader(fields);
    case "!base":
      return parseBase(fields);
    case "!promise": {
      const epoch = fields.length === 1 ? parseCount(fields[0]) : undefined;
      return epoch === undefined ? newerVersionError(line) : { kind: "promise", epoch };
    }
    case "!life": {
      const life = fields.length === 1 ? parseLife(fields[0]) : undefined;
      return life === undefined ? newerVersionError(line) : { kind: "life", life };
    }
    default:
      return newerVersionError(line);
  }
}

function parseLife(text: string | undefined): bigint | undefined {
  return text !== undefined && /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
}

function parseHeader([version, ...fields]: string[]): Header | ParseError {
  if (version !== String(formatVersion)) {
    return {
      kind: "parse-error",
      newer: true,
      reason: `format ${version}; this program knows format ${formatVersion}`,
    };
  }
  const { group, number, store, cluster, repaired, file, life, snapshot, ...others } = parseFields(fields);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return newerVersionError(`header field ${unknown}`);
  for (const [name, flag] of Object.entries({ snapshot, repaired })) {
    if (flag !== undefined && flag !== "1") return newerVersionError(`${name}=${flag}`);
  }
  const parsedLife = parseLife(life);
  const fileId = parseName(file);
  if ((life !== undefined && parsedLife === undefined) || (file !== undefined && fileId === undefined)) {
    return newerVersionError(fields.join(" "));
  }
  const header = { kind: "header", fileId, life: parsedLife, snapshot: snapshot === "1" } as const;
  if (group === undefined && number === undefined && store === undefined) {
    return { ...header, identity: undefined };
  }
  const groupName = parseName(group);
  const storeId = parseName(store);
  const parsedNumber = parseCount(number);
  if (groupName === undefined || storeId === undefined || parsedNumber === undefined) {
    return newerVersionError(fields.join(" "));
  }
  const identity = {
    group: groupName,
    number: parsedNumber,
    storeId,
    ...(cluster !== undefined && { cluster }),
    ...(repaired !== undefined && { repaired: true }),
  };
  return { ...header, identity };
}

function parseBase([place, ...fields]: string[]): BaseLine | ParseError {
  const { records, epochs, promised, requests, ...rest } = parseFields(fields);
  const base = parsePosition(place);
  const count = parseCount(records);
  const promisedEpoch = parseCount(promised);
  const requestsAfter = requests === undefined ? 0 : parseCount(requests);
  const starts = epochs === undefined ? undefined : parsePairs(epochs);
  const moves = parseMoves(rest);
  if (
    base === undefined ||
    count === undefined ||
    promisedEpoch === undefined ||
    requestsAfter === undefined ||
    starts === undefined ||
    moves === "unknown"
  ) {
    return newerVersionError(`!base ${place} ${fields.join(" ")}`);
  }
  return {
    kind: "base",
    base,
    records: count,
    epochs: starts.map(([epoch, firstSeq]) => ({ epoch, firstSeq })),
    promisedEpoch,
    requestsAfter,
    ...(moves === undefined ? {} : { moves }),
  };
}

function parsePosition(text: string | undefined): Position | undefined {
  const [epochText, seqText, ...rest] = text?.split(".") ?? [];
  const epoch = parseCount(epochText);
  const seq = parseCount(seqText);
  return epoch === undefined || seq === undefined || rest.length > 0 ? undefined : { epoch, seq };
}

function parseFields(fields: readonly string[]): Partial<Record<string, string>> {
  return Object.fromEntries(
    fields.map((field) => {
      const [name = "", ...value] = field.split("=");
      return [name, value.join("=")];
    }),
  );
}
