import type { DiskFile } from "../disk/disk.ts";
import { LogFileError } from "../errors.ts";
import type { EpochStart, LogCondition, Position } from "../model.ts";
import { RecordOrder } from "./record-order.ts";
import type { BadToken, ControlToken, Place, RecordToken, Token } from "./token.ts";
import { isUnfinishedEnd } from "./unfinished-end.ts";

/** Something that is not as it was written. `bytes` is 0 when something is missing. */
export interface Damage extends Place {
  readonly reason: string;
}

/** So many are kept; more are only counted. */
const damagesMax = 1000;

/** Takes all tokens of a log file in their order, and tells what is damaged. */
export class IntegrityChecker {
  /** All of the file, also what comes after damage. */
  readonly order = new RecordOrder();
  readonly damages: Damage[] = [];
  damageCount = 0;
  /** What the order said where the first damage begins. */
  #beforeDamage: Standing | undefined;
  #hasHeader = false;
  /** Whether something is there that only stands behind a header. */
  #needsHeader = false;
  #hasGood = false;
  /** What may be an unfinished end that begins here, as far as is known. */
  #suspect: BadToken | undefined;
  /** An unfinished end, which was never acknowledged. */
  #torn: { readonly line: number; readonly bytesCut: number } | undefined;
  readonly #path: string;

  /** `path` is for errors only. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where the log stands before all damage, or an unfinished end. */
  get standing(): Standing {
    return this.#beforeDamage ?? this.#standingNow();
  }

  /** What an unfinished end says is cut off with it; what stands behind damage counts. */
  get promises(): Pick<Standing, "promisedEpoch" | "life"> {
    return this.#torn === undefined ? this.order : this.standing;
  }

  get condition(): LogCondition {
    const [first] = this.damages;
    if (first !== undefined) return { kind: "damaged", line: first.line, reason: first.reason };
    return this.#torn === undefined ? { kind: "intact" } : { kind: "torn", ...this.#torn };
  }

  /** Whether all tokens so far are good and stand where they belong. */
  get isGood(): boolean {
    return this.damageCount === 0;
  }

  /** Whether damage has taken the header, and with it the name of the log's owner. */
  get hasLostHeader(): boolean {
    return !this.isGood && this.#needsHeader && !this.#hasHeader;
  }

  /** Takes in the next token. Returns whether it is good in itself. Errors: LogFileError (of a later version). */
  take(token: Token): token is RecordToken | ControlToken {
    if (token.kind === "bad") {
      this.#takeBad(token);
      return false;
    }
    this.#hasGood = true;
    if (token.kind === "record") this.#needsHeader ||= !token.record.legacy;
    else this.#hasHeader ||= token.control.kind === "header";
    // It was written when all before its own write was synced.
    if (this.#suspect !== undefined && token.offset - token.back > this.#suspect.offset)
      this.#suspect = undefined;
    const problem = this.order.problemWith(token);
    if (problem !== undefined) this.#damaged({ offset: token.offset, line: token.line, bytes: 0 }, problem);
    this.order.take(token);
    return true;
  }

  /** To be called after the last token. Errors: LogFileError (no log), those of the disk. */
  async end(file: Pick<DiskFile, "read">, fileBytes: number, lastLine: number): Promise<void> {
    if (this.order.isInSnapshot) {
      this.#damaged({ offset: fileBytes, line: lastLine, bytes: 0 }, "the snapshot part has no end");
    }
    if (this.damages[0]?.offset === 0) await this.#checkIsLog(file, fileBytes);
    if (this.#suspect === undefined) return;
    const { offset, line } = this.#suspect;
    if (!(await isUnfinishedEnd(file, offset, fileBytes))) return;
    this.#torn = { line, bytesCut: fileBytes - offset };
    this.damages.length = 0;
    this.damageCount = 0;
  }

  /** What damage leaves of a log is something good, and no mark of an editor. */
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
    // A header and a snapshot part are written whole or not at all.
    if (this.isGood && token.offset > 0 && !this.order.isInSnapshot) this.#suspect = token;
    this.#needsHeader ||= token.isHeaderLike;
    const reason = token.isHeaderLike ? `the header is bad: ${token.reason}` : token.reason;
    this.#damaged(token, reason);
    this.order.lose(token.isHeaderLike ? "header" : "records");
  }

  /** Within a snapshot part there are gaps up to here, as there are up to a base. */
  #standingNow(): Standing {
    const { base, last, epochs, legacySeq, promisedEpoch, life, isInSnapshot } = this.order;
    return { base: isInSnapshot ? last : base, last, epochs, legacySeq, promisedEpoch, life };
  }

  /** To be called before the order takes in what comes after the damage. */
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
  readonly legacySeq: number;
  readonly promisedEpoch: number;
  /** See `ReplicaLog.life`. */
  readonly life: bigint | undefined;
}

/** In UTF-8. */
const byteOrderMark = "\xef\xbb\xbf";
const marked = " (it begins with a byte-order mark)";

/** What an editor may have made of all of a log. */
function hintOf(start: Buffer): string {
  const text = start.toString("latin1");
  if (/^(\xff\xfe|\xfe\xff)/.test(text)) return " (it is UTF-16)";
  return /^[^\n]*\r\n/.test(text) ? " (its lines end in CR LF)" : "";
}
