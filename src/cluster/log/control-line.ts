import crc32 from "crc-32";
import type { EpochStart, LogIdentity, Position } from "../log-store.ts";
import { type Flaw, flaw, newerFlaw } from "./flaw.ts";
import { formatChecksum, parseCount } from "./numbers.ts";

/**
 * Lines that stand between the records of a log file: `!<word> [field ...] <checksum>`, the checksum the CRC-32 of
 * everything before its space.
 */

/** Version of the file format. A program refuses files of a later one. */
const formatVersion = 1;

const bang = 33; // "!"

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
  /** See `LogStore.requestsAfter`. */
  readonly requestsAfter: number;
}

export interface PromiseLine {
  readonly kind: "promise";
  readonly epoch: number;
}

export type ControlLine = Header | BaseLine | PromiseLine;

export function isControlLine(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === bang;
}

export function formatControlLine(line: ControlLine): string {
  const body = controlBody(line);
  return `${body} ${formatChecksum(crc32.buf(Buffer.from(body)))}\n`;
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
      const { base, records, epochs, promisedEpoch, requestsAfter } = line;
      const starts = epochs.map(({ epoch, firstSeq }) => `${epoch}:${firstSeq}`).join(",");
      const body = `!base ${base.epoch}.${base.seq} records=${records} epochs=${starts} promised=${promisedEpoch}`;
      return requestsAfter > 0 ? `${body} requests=${requestsAfter}` : body;
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
    bytes.toString("latin1", Math.max(start, checksumStart - 1), end) !==
    ` ${formatChecksum(crc32.buf(body))}`
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
      return epoch === undefined ? newerFlaw(body.toString("latin1")) : { kind: "promise", epoch };
    }
    default:
      return newerFlaw(body.toString("latin1"));
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
  const { records, epochs, promised, requests, ...others } = parseFields(fields);
  const base = parsePosition(place);
  const count = parseCount(records);
  const promisedEpoch = parseCount(promised);
  const requestsAfter = requests === undefined ? 0 : parseCount(requests);
  const starts = epochs === undefined ? undefined : parseEpochs(epochs);
  if (
    base === undefined ||
    count === undefined ||
    promisedEpoch === undefined ||
    requestsAfter === undefined ||
    starts === undefined ||
    Object.keys(others).length > 0
  ) {
    return newerFlaw(`!base ${place} ${fields.join(" ")}`);
  }
  return { kind: "base", base, records: count, epochs: starts, promisedEpoch, requestsAfter };
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
