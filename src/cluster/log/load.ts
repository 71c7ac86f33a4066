import type { EpochStart, LogCondition, LogIdentity, Position } from "../log-store.ts";
import type { DiskFile } from "./disk.ts";
import { Judge } from "./judge.ts";
import { KeyIndex } from "./key-index.ts";
import { Milestones } from "./milestones.ts";
import type { PlacedRecord } from "./recent.ts";
import { toLogRecord } from "./record-lines.ts";
import { type RecordUnit, scan, wholeFile } from "./scan.ts";

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
  /** Where the next record belongs: after the good part; or after all, in a damaged log. */
  readonly endBytes: number;
  readonly index: KeyIndex;
  /** Keys deleted after `base`, in the order of the deletions, with the seq of the last one. */
  readonly deletions: Map<string, number>;
  readonly milestones: Milestones;
  /** Records after `visibleSeq`, which the index does not know. */
  readonly pending: readonly PlacedRecord[];
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
  const judge = new Judge(path);
  const { sequence } = judge;
  const index = new KeyIndex();
  const deletions = new Map<string, number>();
  const milestones = new Milestones();
  const pending: PlacedRecord[] = [];
  let endBytes = 0;
  let line = 1;

  const takeRecord = ({ record, offset, bytes, window }: RecordUnit) => {
    const { seq, epoch } = sequence;
    if (!sequence.isInSnapshot) milestones.add(seq, offset);
    if (seq > visibleSeq) {
      pending.push({ record: toLogRecord(window, { ...record, seq, epoch }), offset, bytes });
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
      if (!judge.take(unit) || !judge.isGood) continue;
      endBytes = unit.offset + unit.bytes;
      if (unit.kind === "record") takeRecord(unit);
    }
  }
  judge.end(fileBytes, line);
  const { condition, standing } = judge;
  return {
    condition,
    identity: sequence.identity,
    base: standing.base,
    last: standing.last,
    epochs: standing.epochs,
    promisedEpoch: sequence.promisedEpoch,
    legacySeq: standing.legacySeq,
    frameBytes: sequence.frameBytes,
    endBytes: judge.isGood ? endBytes : fileBytes,
    index,
    deletions,
    milestones,
    pending,
  };
}
