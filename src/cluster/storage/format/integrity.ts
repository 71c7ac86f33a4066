import type { DiskFile } from "../disk/disk.ts";
import { LogFileError } from "../errors.ts";
import type { EpochStart, LogCondition, Position } from "../model.ts";
import type { MoveHistory } from "../move-history.ts";
import { RecordOrder } from "./record-order.ts";
import type { BadToken, ControlToken, Place, RecordToken, Token } from "./token.ts";
import { isUnfinishedEnd } from "./unfinished-end.ts";

/** A part of the file that differs from what was written. `bytes` is 0 when something is missing there. */
export interface Damage extends Place {
  readonly reason: string;
}

/** Only the first ones are kept. The rest are counted. */
const damagesMax = 1000;

/** Takes all tokens of a log file in order, and finds what is damaged. */
export class IntegrityChecker {
  /** Of the whole file, damage or not. */
  readonly order = new RecordOrder();
  readonly damages: Damage[] = [];
  damageCount = 0;
  /** Where the log stood before the first damage. */
  #beforeDamage: Standing | undefined;
  #hasHeader = false;
  /** Whether the file contains something that a header must precede. */
  #needsHeader = false;
  #hasGood = false;
  /** The bad stretch that begins what may be an unfinished end. */
  #suspect: BadToken | undefined;
  /** Line of the last token. */
  #line = 1;
  /** An unfinished end: nothing in it was acknowledged. */
  #torn: { readonly line: number; readonly bytesCut: number } | undefined;
  readonly #path: string;

  /** `path` is only used in errors. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where the log stands before any damage or unfinished end. */
  get standing(): Standing {
    return this.#beforeDamage ?? this.#standingNow();
  }

  /** Promises in an unfinished end are cut off with it. Promises after damage count. */
  get promises(): Pick<Standing, "promisedEpoch" | "life"> {
    return this.#torn === undefined ? this.order : this.standing;
  }

  get condition(): LogCondition {
    const [first] = this.damages;
    if (first !== undefined) return { kind: "damaged", line: first.line, reason: first.reason };
    return this.#torn === undefined ? { kind: "intact" } : { kind: "torn", ...this.#torn };
  }

  /** Whether all tokens so far are good and in order. */
  get isGood(): boolean {
    return this.damageCount === 0;
  }

  /** Whether the header is lost, and with it the log's identity. */
  get hasLostHeader(): boolean {
    return !this.isGood && this.#needsHeader && !this.#hasHeader;
  }

  /** Takes the next token. Returns whether the token by itself is good. Errors: LogFileError (of a later version). */
  take(token: Token): token is RecordToken | ControlToken {
    this.#line = token.line;
    if (token.kind === "bad") {
      this.#takeBad(token);
      return false;
    }
    this.#hasGood = true;
    if (token.kind === "record") this.#needsHeader ||= !token.record.legacy;
    else this.#hasHeader ||= token.control.kind === "header";
    // The suspect stretch was synced before this token was written, so it is not the end of an interrupted write.
    if (this.#suspect !== undefined && token.offset - token.back > this.#suspect.offset)
      this.#suspect = undefined;
    const problem = this.order.problemWith(token);
    if (problem !== undefined) this.#damaged({ offset: token.offset, line: token.line, bytes: 0 }, problem);
    this.order.take(token);
    return true;
  }

  /** Call it after the last token. Errors: LogFileError (the file is no log), errors of the disk. */
  async end(file: Pick<DiskFile, "read">, fileBytes: number): Promise<void> {
    if (this.order.isInSnapshot) {
      this.#damaged({ offset: fileBytes, line: this.#line, bytes: 0 }, "the snapshot part has no end");
    }
    if (this.damages[0]?.offset === 0) await this.#checkIsLog(file, fileBytes);
    if (this.#suspect === undefined) return;
    const { offset, line } = this.#suspect;
    if (!(await isUnfinishedEnd(file, offset, fileBytes))) return;
    this.#torn = { line, bytesCut: fileBytes - offset };
    this.damages.length = 0;
    this.damageCount = 0;
  }

  /** A damaged log still has something good in it, and does not begin with an editor's byte-order mark. */
  async #checkIsLog(file: Pick<DiskFile, "read">, fileBytes: number): Promise<void> {
    const start = Buffer.alloc(Math.min(4096, fileBytes));
    await file.read(start, 0);
    const isMarked = start.toString("latin1", 0, 3) === byteOrderMark;
    if (this.#hasGood && !isMarked) return;
    throw new LogFileError(
      this.#path,
      `is no log: it does not begin as one${isMarked ? marked : hintOf(start)}; it is left as it is`,
    );
  }

  #takeBad(token: BadToken): void {
    if (token.newer)
      throw new LogFileError(this.#path, `line ${token.line}: ${token.reason}; use that version`);
    // A header and a snapshot part are never torn: their file takes the log's name only when it is complete.
    if (this.isGood && token.offset > 0 && !this.order.isInSnapshot) this.#suspect = token;
    this.#needsHeader ||= token.isHeaderLike;
    const reason = token.isHeaderLike ? `the header is bad: ${token.reason}` : token.reason;
    this.#damaged(token, reason);
    this.order.lose(token.isHeaderLike ? "header" : "records");
  }

  /** Within a snapshot part, records have gaps up to the last one, as they have up to a base. */
  #standingNow(): Standing {
    const { base, last, epochs, moves, legacySeq, promisedEpoch, life, isInSnapshot } = this.order;
    return { base: isInSnapshot ? last : base, last, epochs, moves, legacySeq, promisedEpoch, life };
  }

  /** Call it before the order takes the token after the damage. */
  #damaged({ line, offset, bytes }: Place, reason: string): void {
    this.#beforeDamage ??= this.#standingNow();
    this.damageCount++;
    if (this.damages.length < damagesMax) this.damages.push({ line, offset, bytes, reason });
  }
}

/** Where a log stands: the records and epochs that it has. */
export interface Standing {
  readonly base: Position;
  readonly last: Position;
  readonly epochs: readonly EpochStart[];
  readonly moves: MoveHistory;
  readonly legacySeq: number;
  readonly promisedEpoch: number;
  /** See `ReplicaLog.life`. */
  readonly life: bigint | undefined;
}

/** In UTF-8. */
const byteOrderMark = "\xef\xbb\xbf";
const marked = " (it begins with a byte-order mark)";

/** Says what an editor may have done to the whole log. */
function hintOf(start: Buffer): string {
  const text = start.toString("latin1");
  if (/^(\xff\xfe|\xfe\xff)/.test(text)) return " (it is UTF-16)";
  return /^[^\n]*\r\n/.test(text) ? " (its lines end in CR LF)" : "";
}
