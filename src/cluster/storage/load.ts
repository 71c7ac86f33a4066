import type { DiskFile } from "./disk/disk.ts";
import { IntegrityChecker } from "./format/integrity.ts";
import { type RecordUnit, scan, wholeFile } from "./format/log-reader.ts";
import { toLogRecord } from "./format/record.ts";
import { takeChanges } from "./index/found-changes.ts";
import { KeyIndex } from "./index/key-index.ts";
import { KeyTable } from "./index/key-table.ts";
import { OffsetIndex } from "./index/offset-index.ts";
import { RequestTable } from "./index/request-table.ts";
import type { EpochStart, LogCondition, LogIdentity, Position } from "./model.ts";
import type { PlacedRecord } from "./read/tail-cache.ts";

/** What a log file says, as far as it is good. */
export interface LoadedLog {
  readonly condition: LogCondition;
  /** Whether damage has taken the header. */
  readonly hasLostHeader: boolean;
  /** Where the first damage begins, and the last good record, which may stand behind it. */
  readonly damage: { readonly offset: number; readonly last: Position } | undefined;
  readonly identity: LogIdentity | undefined;
  /** See `Header.fileId`. */
  readonly fileId: string | undefined;
  readonly life: bigint | undefined;
  readonly base: Position;
  readonly last: Position;
  readonly epochs: readonly EpochStart[];
  readonly promisedEpoch: number;
  readonly legacySeq: number;
  readonly frameBytes: number;
  /** Where the next record belongs: after the good part; or after all, in a damaged log. */
  readonly endBytes: number;
  readonly live: KeyTable;
  /** Of all records, pending ones too. */
  readonly requests: RequestTable;
  readonly offsetIndex: OffsetIndex;
  /** Records after `visibleSeq`, which `live` does not know. */
  readonly pending: readonly PlacedRecord[];
}

/**
 * Reads a log file whole and remembers at most `requestsMax` requests. Records after `visibleSeq` are returned as
 * pending.
 * Errors: LogFileError (written by a later version), those of the disk.
 */
export async function loadLog(
  path: string,
  file: DiskFile,
  requestsMax: number,
  visibleSeq = Number.MAX_SAFE_INTEGER,
): Promise<LoadedLog> {
  const fileBytes = await file.size();
  const judge = new IntegrityChecker(path);
  const { sequence } = judge;
  const index = new KeyIndex();
  const deletions = new Map<string, number>();
  const offsetIndex = new OffsetIndex();
  const requests = new RequestTable(requestsMax);
  const pending: PlacedRecord[] = [];
  let endBytes = 0;
  let line = 1;

  const takeRecord = (unit: RecordUnit) => {
    const { record, offset, bytes, window } = unit;
    const { seq, epoch } = sequence;
    if (!sequence.isInSnapshot) offsetIndex.add(seq, offset);
    requests.note(record.requestId, seq);
    if (seq > visibleSeq) {
      const entryBytes = record.changes.map((entry) => entry.end - entry.start);
      // What stands for no change is an entry, too.
      if (entryBytes.length === 0) entryBytes.push(bytes);
      pending.push({ record: toLogRecord(window, record, { seq, epoch }), offset, entryBytes });
      return;
    }
    takeChanges(index, unit, seq);
    for (const { kind, key } of record.changes) {
      deletions.delete(key);
      if (kind !== "put" && !sequence.isInSnapshot) deletions.set(key, seq);
    }
  };

  for await (const units of scan(file, wholeFile(fileBytes))) {
    for (const unit of units) {
      line = unit.line;
      // Behind damage, or in an unfinished end, nothing is taken over.
      if (!judge.take(unit) || !judge.isGood) continue;
      endBytes = unit.offset + unit.bytes;
      if (unit.kind === "record") takeRecord(unit);
    }
  }
  await judge.end(file, fileBytes, line);
  requests.forget(sequence.requestsAfter);
  const { condition, standing, promises, damages } = judge;
  const [damage] = damages;
  return {
    condition,
    hasLostHeader: judge.hasLostHeader,
    damage: damage && { offset: damage.offset, last: sequence.last },
    identity: sequence.identity,
    fileId: sequence.fileId,
    life: promises.life,
    base: standing.base,
    last: standing.last,
    epochs: standing.epochs,
    promisedEpoch: promises.promisedEpoch,
    legacySeq: standing.legacySeq,
    frameBytes: sequence.frameBytes,
    endBytes: judge.isGood ? endBytes : fileBytes,
    live: new KeyTable(index, deletions),
    requests,
    offsetIndex,
    pending,
  };
}
