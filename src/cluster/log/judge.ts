import type { EpochStart, LogCondition, Position } from "../log-store.ts";
import { LogFileError } from "./errors.ts";
import type { BadUnit, ControlUnit, Place, RecordUnit, Unit } from "./scan.ts";
import { Sequence } from "./sequence.ts";

/** Something that is not as it was written; or is missing, and `bytes` is 0 then. */
export interface Damage extends Place {
  readonly reason: string;
}

/** So many are remembered; more are only counted. */
const damagesMax = 1000;

/** Is shown all units of a log file in their order, and tells what is damaged. */
export class Judge {
  /** All of the file, also what comes after damage. */
  readonly sequence = new Sequence();
  readonly damages: Damage[] = [];
  damageCount = 0;
  /** What the sequence said where the first damage begins. */
  #beforeDamage: Standing | undefined;
  #hasHeader = false;
  /** Whether something is there that only stands behind a header. */
  #needsHeader = false;
  /** An unfinished end, which was never acknowledged. */
  #torn: BadUnit | undefined;
  readonly #path: string;

  /** `path` is for errors only. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where the log stands before all damage. */
  get standing(): Standing {
    return this.#beforeDamage ?? this.#standingNow();
  }

  get condition(): LogCondition {
    const [first] = this.damages;
    if (first !== undefined) return { kind: "damaged", line: first.line, reason: first.reason };
    if (this.#torn === undefined) return { kind: "intact" };
    return { kind: "torn", line: this.#torn.line, bytesCut: this.#torn.bytes };
  }

  /** Whether all units so far are good and stand where they belong. */
  get isGood(): boolean {
    return this.damageCount === 0;
  }

  /** Whether damage has taken the header, and with it the name of the log's owner. */
  get hasLostHeader(): boolean {
    return !this.isGood && this.#needsHeader && !this.#hasHeader;
  }

  /** Takes in the next unit. Returns whether it is good in itself. Errors: LogFileError (of a later version). */
  take(unit: Unit): unit is RecordUnit | ControlUnit {
    if (unit.kind === "bad") {
      this.#takeBad(unit);
      return false;
    }
    if (unit.kind === "record") this.#needsHeader ||= !unit.record.legacy;
    else this.#hasHeader ||= unit.control.kind === "header";
    const flaw = this.sequence.flawOf(unit);
    if (flaw !== undefined) this.#damaged({ offset: unit.offset, line: unit.line, bytes: 0 }, flaw);
    this.sequence.take(unit);
    return true;
  }

  /** To be called after the last unit. */
  end(fileBytes: number, lastLine: number): void {
    if (!this.sequence.isInSnapshot) return;
    this.#damaged({ offset: fileBytes, line: lastLine, bytes: 0 }, "the snapshot part has no end");
  }

  #takeBad(unit: BadUnit): void {
    if (unit.newer) throw new LogFileError(this.#path, `line ${unit.line}: ${unit.reason}; use that version`);
    // A header is written whole or not at all, so half of one, or one with a flaw, is no unfinished end.
    if (unit.isLast && !unit.isHeaderLike && !unit.hasLegacy) {
      this.#torn = unit;
      return;
    }
    this.#needsHeader ||= unit.isHeaderLike;
    const reason = unit.isHeaderLike ? `the header is bad: ${unit.reason}` : unit.reason;
    this.#damaged(unit, reason);
    this.sequence.lose(unit.isHeaderLike ? "header" : "records");
  }

  /** Within a snapshot part there are gaps up to here, as there are up to a base. */
  #standingNow(): Standing {
    const { base, last, epochs, legacySeq, isInSnapshot } = this.sequence;
    return { base: isInSnapshot ? last : base, last, epochs, legacySeq };
  }

  /** To be called before the sequence takes in what comes after the damage. */
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
}
