import { valueBytesLimit } from "../../common/key-limits.ts";
import { messageOf } from "../../common/message-of.ts";
import { harmless } from "../value-forms.ts";

/** One line of a file of JSON lines. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** Position of its first byte, and of the byte after its line end. */
  readonly start: number;
  readonly end: number;
  /** Empty when it is too long. */
  readonly bytes: Uint8Array;
  readonly isTooLong: boolean;
}

/** Where a line begins. */
export type LineStart = Pick<Line, "number" | "start">;

/** What is wrong with a line, which it may quote. The caller, who knows the line's number and file, adds them. */
export class BadLine extends Error {
  override readonly name = "BadLine";

  constructor(message: string) {
    super(harmless(message));
  }
}

/** The longest value in JSON, where one byte may need several. */
const lineBytesMax = 2 * valueBytesLimit;

const lineFeed = 10;

/**
 * Splits chunks of a file into lines. The last line may lack its line end. A line longer than any valid one is not
 * kept: memory is bounded.
 */
export async function* readLines(
  source: AsyncIterable<Uint8Array>,
  from: LineStart = { number: 1, start: 0 },
): AsyncGenerator<Line[]> {
  let { number, start } = from;
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  const lineOf = (end: Uint8Array, lineEndBytes: number): Line => {
    const length = begunBytes + end.length;
    const isTooLong = length > lineBytesMax;
    const bytes = isTooLong ? new Uint8Array() : begun.length === 0 ? end : Buffer.concat([...begun, end]);
    const line = { number: number++, start, end: start + length + lineEndBytes, bytes, isTooLong };
    start = line.end;
    begun = [];
    begunBytes = 0;
    return line;
  };
  for await (const piece of source) {
    const lines: Line[] = [];
    let at = 0;
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, at)) {
      lines.push(lineOf(piece.subarray(at, end), 1));
      at = end + 1;
    }
    if (lines.length > 0) yield lines;
    if (at === piece.length) continue;
    begunBytes += piece.length - at;
    if (begunBytes <= lineBytesMax) begun.push(piece.subarray(at));
    else begun = [];
  }
  if (begunBytes > 0) yield [lineOf(new Uint8Array(), 0)];
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The JSON object of a line, with no fields but `allowed`. Undefined for a blank line. Errors: BadLine. */
export function parseObject(
  { bytes, isTooLong }: Pick<Line, "bytes" | "isTooLong">,
  allowed: readonly string[],
): Readonly<Record<string, unknown>> | undefined {
  if (isTooLong) throw new BadLine(`it is longer than ${lineBytesMax} bytes, the limit of a line`);
  const parsed = parseJson(bytes);
  if (parsed === undefined) return undefined;
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new BadLine(`it is ${JSON.stringify(parsed).slice(0, 40)}; allowed: an object`);
  }
  const fields: Readonly<Record<string, unknown>> = { ...parsed };
  const unknown = Object.keys(fields).find((name) => !allowed.includes(name));
  if (unknown === undefined) return fields;
  throw new BadLine(`${JSON.stringify(unknown)} is not a known field; allowed: ${allowed.join(", ")}`);
}

function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new BadLine("it is not UTF-8");
  }
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BadLine(`it is not JSON (${messageOf(error)})`);
  }
}
