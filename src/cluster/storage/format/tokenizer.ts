import { isBase64 } from "./base64.ts";
import { findLines } from "./commit-line.ts";
import { isControlLine, parseControlLine } from "./control-line.ts";
import { type ParsedEntry, parseEntry } from "./entry.ts";
import { type ParseError, parseError } from "./parse-error.ts";
import { joinEntries, recordBytesMax } from "./record.ts";
import type { Token } from "./token.ts";

const lineEnd = 10;

/** The pure part of `readTokens`: takes one window of the file after another. */
export class Tokenizer {
  /** Offset of the window's first byte. */
  #offset: number;
  #line = 1;
  #legacyAllowed: boolean;
  /** Beginning of the current bad stretch. */
  #bad: { offset: number; line: number; problem: ParseError; isHeaderLike: boolean } | undefined;
  /** Whether it is within a line that is too long. */
  #isSkipping = false;

  constructor(offset: number, legacyAllowed: boolean) {
    this.#offset = offset;
    this.#legacyAllowed = legacyAllowed;
  }

  /** Returns the tokens of the window, and how many bytes the next window may leave out. */
  split(window: Buffer, atEnd: boolean): { tokens: Token[]; consumed: number } {
    const tokens: Token[] = [];
    const view = { window, atEnd, tokens };
    let start = 0;
    while (start < window.length) {
      const next = this.#next(view, start);
      if (next === undefined) break;
      start = next;
    }
    this.#offset += start;
    if (atEnd) this.#endBad(this.#offset, tokens);
    return { tokens, consumed: start };
  }

  /** Takes the token at `start`. Returns where the next one begins, or undefined when it needs more bytes. */
  #next(view: View, start: number): number | undefined {
    const { window, atEnd, tokens } = view;
    const firstEnd = window.indexOf(lineEnd, start);
    if (this.#isSkipping || (firstEnd < 0 && window.length - start > recordBytesMax)) {
      return this.#skip(window, start, firstEnd);
    }
    if (firstEnd < 0) return atEnd ? this.#rejectLine(window, { start, firstEnd }, unfinished) : undefined;
    if (!isControlLine(window, start)) return this.#nextRecord(view, start, firstEnd);
    const parsed = parseControlLine(window, start, firstEnd);
    if (parsed.kind === "parse-error") return this.#rejectLine(window, { start, firstEnd }, parsed);
    const { control, back } = parsed;
    const bytes = firstEnd + 1 - start;
    const { offset, line } = this.#accept(start, 1, tokens);
    tokens.push({ kind: "control", control, window, start, offset, bytes, line, back });
    this.#legacyAllowed = false;
    return firstEnd + 1;
  }

  #nextRecord({ window, atEnd, tokens }: View, start: number, firstEnd: number): number | undefined {
    const entries: ParsedEntry[] = [];
    let end = start;
    do {
      const legacyAllowed = this.#legacyAllowed && end === start;
      const entry = entryAt(window, { start: end, recordStart: start, atEnd, legacyAllowed });
      if (entry === undefined) return undefined;
      if (entry.kind === "parse-error" || !areTogether(entries[0], entry)) {
        const problem = entry.kind === "parse-error" ? entry : noEnd;
        if (entries.length === 0) return this.#rejectLine(window, { start, firstEnd }, problem);
        // The entries before this one are bad without an end. This one may be the first of a good record.
        return this.#reject(window, { start, end, lines: 3 * entries.length }, problem);
      }
      entries.push(entry);
      end = entry.end;
    } while (entries.at(-1)?.ends === 0);
    const lines = 3 * entries.length;
    const record = joinEntries(entries);
    if ("reason" in record) return this.#reject(window, { start, end, lines }, record);
    if (!record.legacy) this.#legacyAllowed = false;
    const { offset, line } = this.#accept(start, lines, tokens);
    const bytes = end - start;
    tokens.push({ kind: "record", record, window, start, offset, bytes, line, back: record.back });
    return end;
  }

  /** A good token, of so many lines, begins at `start`. */
  #accept(start: number, lines: number, tokens: Token[]): { offset: number; line: number } {
    const offset = this.#offset + start;
    const line = this.#line;
    this.#endBad(offset, tokens);
    this.#line += lines;
    return { offset, line };
  }

  /** Skips one line: the next good record may begin at any line. */
  #rejectLine(
    window: Buffer,
    { start, firstEnd }: { readonly start: number; readonly firstEnd: number },
    problem: ParseError,
  ): number {
    if (firstEnd < 0) return this.#reject(window, { start, end: window.length, lines: 0 }, problem);
    return this.#reject(window, { start, end: firstEnd + 1, lines: 1 }, problem);
  }

  /** No good token begins between `start` and `end`, a part with so many line feeds. Returns `end`. */
  #reject(
    window: Buffer,
    { start, end, lines }: { readonly start: number; readonly end: number; readonly lines: number },
    problem: ParseError,
  ): number {
    if (this.#bad === undefined) {
      const offset = this.#offset + start;
      const isHeaderLike = offset === 0 && looksLikeHeader(window);
      this.#bad = { offset, line: this.#line, problem, isHeaderLike };
    }
    // "A later version wrote it" is the better reason for everything around it.
    if (problem.newer && !this.#bad.problem.newer) this.#bad.problem = problem;
    this.#line += lines;
    return end;
  }

  #skip(window: Buffer, start: number, firstEnd: number): number {
    this.#isSkipping = firstEnd < 0;
    return this.#rejectLine(window, { start, firstEnd }, tooLong);
  }

  #endBad(offset: number, tokens: Token[]): void {
    if (this.#bad === undefined) return;
    const { problem, ...begin } = this.#bad;
    const { reason, newer } = problem;
    tokens.push({ kind: "bad", ...begin, reason, newer, bytes: offset - begin.offset });
    this.#bad = undefined;
  }
}

/** A window of the file, and what was found in it. */
interface View {
  readonly window: Buffer;
  /** Whether the file ends with the window. */
  readonly atEnd: boolean;
  readonly tokens: Token[];
}

/** The entry at `start`, of a record that begins at `recordStart`. Undefined when it needs more bytes. */
function entryAt(
  window: Buffer,
  { start, recordStart, atEnd, legacyAllowed }: EntryPlace,
): ParsedEntry | ParseError | undefined {
  const lines = findLines(window, start);
  if (lines.commitEnd >= 0) return parseEntry(window, lines, legacyAllowed);
  const { keyEnd } = lines;
  if (keyEnd >= 0 && !isBase64(window, start, keyEnd)) return noRecord;
  return atEnd || window.length - recordStart > recordBytesMax ? unfinished : undefined;
}

interface EntryPlace {
  readonly start: number;
  readonly recordStart: number;
  /** Whether the file ends with the window. */
  readonly atEnd: boolean;
  readonly legacyAllowed: boolean;
}

function areTogether(first: ParsedEntry | undefined, next: ParsedEntry): boolean {
  return first === undefined || (first.epoch === next.epoch && first.seq === next.seq);
}

/** Whether this may have been a header, before its first byte or what comes after the name was damaged. */
function looksLikeHeader(start: Buffer): boolean {
  return isControlLine(start, 0) || start.toString("latin1", 1, 6) === "kvlab";
}

const noRecord = parseError("its key is not base64");
const noEnd = parseError("its batch has no end");
const unfinished = parseError("it is unfinished");
const tooLong = parseError(`its line is longer than ${recordBytesMax} bytes`);
