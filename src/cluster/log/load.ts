import type { EpochStart, LogCondition, LogIdentity, LogRecord, Position } from "../log-store.ts";
import type { DiskFile } from "./disk.ts";
import { LogFileError } from "./errors.ts";
import { toLogRecord } from "./format.ts";
import { KeyIndex } from "./key-index.ts";
import { Milestones } from "./milestones.ts";
import { type BadUnit, type ControlUnit, type RecordUnit, scan, type Unit, wholeFile } from "./scan.ts";
import { Sequence } from "./sequence.ts";

/** What a log file says, as far as it is good. */
export interface LoadedLog {
  readonly condition: LogCondition;
  readonly identity: LogIdentity | undefined;
  readonly base: Position;
  readonly last: Position;
  readonly epochs: readonly EpochStart[];
  readonly promisedEpoch: number;
  readonly legacySeq: number;
  readonly frameBytes: number;
  /** Where the good part ends; all of the file if it is damaged. */
  readonly endBytes: number;
  readonly index: KeyIndex;
  /** Keys deleted after `base`, in the order of the deletions, with the seq of the last one. */
  readonly deletions: Map<string, number>;
  readonly milestones: Milestones;
  /** Records after `visibleSeq`, which the index does not know. */
  readonly pending: readonly {
    readonly record: LogRecord;
    readonly offset: number;
    readonly bytes: number;
  }[];
}

/** Why a log is damaged. */
export interface Damage {
  readonly line: number;
  readonly offset: number;
  readonly reason: string;
}

/** Judges a file's units in their order. */
export class Judge {
  readonly sequence = new Sequence();
  damage: Damage | undefined;
  /** An unfinished end. */
  torn: BadUnit | undefined;
  readonly #path: string;
  readonly #file: Pick<DiskFile, "read">;

  constructor(path: string, file: Pick<DiskFile, "read">) {
    this.#path = path;
    this.#file = file;
  }

  /** Whether the unit is good and stands before all damage. Errors: LogFileError for a later version's. */
  async take(unit: Unit): Promise<boolean> {
    return unit.kind === "bad" ? await this.takeBad(unit) : this.takeGood(unit);
  }

  takeGood(unit: RecordUnit | ControlUnit): boolean {
    if (this.damage === undefined) {
      const reason = this.sequence.take(unit);
      if (reason === undefined) return true;
      this.#damaged(unit, reason);
    }
    this.#keepPromise(unit);
    return false;
  }

  async takeBad(unit: BadUnit): Promise<false> {
    if (unit.newer) throw new LogFileError(this.#path, `line ${unit.line}: ${unit.reason}; use that version`);
    if (!unit.isLast) this.#damaged(unit, `${unit.reason}, and good records stand after it`);
    else if (this.sequence.isInSnapshot)
      this.#damaged(unit, `${unit.reason}, and the snapshot part has no end`);
    else if (unit.offset === 0 && (await this.#beginsLikeHeader()))
      this.#damaged(unit, `the header: ${unit.reason}`);
    else if (this.damage === undefined) this.torn = unit;
    return false;
  }

  /** To be called after the last unit. */
  end(bytes: number, lines: number): void {
    if (this.sequence.isInSnapshot)
      this.#damaged({ offset: bytes, line: lines + 1 }, "the snapshot part has no end");
  }

  #damaged({ line, offset }: { line: number; offset: number }, reason: string): void {
    this.damage ??= { line, offset, reason };
  }

  /** What was promised holds, whatever has happened to the records around it. */
  #keepPromise(unit: RecordUnit | ControlUnit): void {
    const { sequence } = this;
    let epoch = 0;
    if (unit.kind === "record") epoch = unit.record.epoch;
    else if (unit.control.kind === "promise") epoch = unit.control.epoch;
    else if (unit.control.kind === "base") epoch = unit.control.promisedEpoch;
    sequence.promisedEpoch = Math.max(sequence.promisedEpoch, epoch);
  }

  /** A header is written whole or not at all, so that half of one, or one with a flaw, is no torn end. */
  async #beginsLikeHeader(): Promise<boolean> {
    const start = Buffer.alloc(8);
    await this.#file.read(start, 0);
    const text = start.toString("latin1");
    return text.startsWith("!") || text.includes("kvlab");
  }
}

/**
 * Reads a log file whole. Records after `visibleSeq` are returned as pending.
 * Errors: LogFileError (written by a later version), those of the disk.
 */
export async function loadLog(
  path: string,
  file: DiskFile,
  visibleSeq = Number.MAX_SAFE_INTEGER,
): Promise<LoadedLog> {
  const fileBytes = await file.size();
  const judge = new Judge(path, file);
  const { sequence } = judge;
  const index = new KeyIndex();
  const deletions = new Map<string, number>();
  const milestones = new Milestones();
  const pending: { record: LogRecord; offset: number; bytes: number }[] = [];
  let line = 1;

  const takeRecord = ({ record, offset, bytes, window }: RecordUnit) => {
    const { seq, epoch } = sequence.last;
    if (!sequence.isInSnapshot) milestones.add(seq, offset);
    if (seq > visibleSeq) {
      const positioned = { ...record, seq, epoch };
      pending.push({ record: toLogRecord(window, positioned), offset, bytes });
    } else if (record.kind === "put") {
      index.set(record.key, seq, offset, bytes);
      deletions.delete(record.key);
    } else if (record.kind === "delete") {
      index.delete(record.key);
      deletions.delete(record.key);
      if (!sequence.isInSnapshot) deletions.set(record.key, seq);
    }
  };

  for await (const units of scan(file, wholeFile(fileBytes))) {
    for (const unit of units) {
      line = unit.line;
      if (unit.kind === "bad") await judge.takeBad(unit);
      else if (judge.takeGood(unit) && unit.kind === "record") takeRecord(unit);
    }
  }
  judge.end(fileBytes, line);
  const { damage, torn } = judge;
  const condition: LogCondition =
    damage !== undefined
      ? { kind: "damaged", line: damage.line, reason: damage.reason }
      : torn !== undefined
        ? { kind: "torn", line: torn.line, bytesCut: torn.bytes }
        : { kind: "intact" };
  return {
    condition,
    identity: sequence.identity,
    base: sequence.base,
    last: sequence.last,
    epochs: sequence.epochs,
    promisedEpoch: sequence.promisedEpoch,
    legacySeq: sequence.legacySeq,
    frameBytes: sequence.frameBytes,
    endBytes: condition.kind === "torn" && torn !== undefined ? torn.offset : fileBytes,
    index,
    deletions,
    milestones,
    pending,
  };
}
