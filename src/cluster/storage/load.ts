import type { DiskFile } from "./disk/disk.ts";
import { IntegrityChecker } from "./format/integrity.ts";
import { readTokens, wholeFile } from "./format/log-reader.ts";
import { toLogRecord } from "./format/record.ts";
import type { RecordToken } from "./format/token.ts";
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
  const checker = new IntegrityChecker(path);
  const { order } = checker;
  const index = new KeyIndex();
  const deletions = new Map<string, number>();
  const offsetIndex = new OffsetIndex();
  const requests = new RequestTable(requestsMax);
  const pending: PlacedRecord[] = [];
  let endBytes = 0;
  let line = 1;

  const takeRecord = (token: RecordToken) => {
    const { record, offset, bytes, window } = token;
    const { seq, epoch } = order;
    if (!order.isInSnapshot) offsetIndex.add(seq, offset);
    requests.note(record.requestId, seq);
    if (seq > visibleSeq) {
      const entryBytes = record.changes.map((entry) => entry.end - entry.start);
      // What stands for no change is an entry, too.
      if (entryBytes.length === 0) entryBytes.push(bytes);
      pending.push({ record: toLogRecord(window, record, { seq, epoch }), offset, entryBytes });
      return;
    }
    takeChanges(index, token, seq);
    for (const { kind, key } of record.changes) {
      deletions.delete(key);
      if (kind !== "put" && !order.isInSnapshot) deletions.set(key, seq);
    }
  };

  for await (const tokens of readTokens(file, wholeFile(fileBytes))) {
    for (const token of tokens) {
      line = token.line;
      // Behind damage, or in an unfinished end, nothing is taken over.
      if (!checker.take(token) || !checker.isGood) continue;
      endBytes = token.offset + token.bytes;
      if (token.kind === "record") takeRecord(token);
    }
  }
  await checker.end(file, fileBytes, line);
  requests.forget(order.requestsAfter);
  const { condition, standing, promises, damages } = checker;
  const [damage] = damages;
  return {
    condition,
    hasLostHeader: checker.hasLostHeader,
    damage: damage && { offset: damage.offset, last: order.last },
    identity: order.identity,
    fileId: order.fileId,
    life: promises.life,
    base: standing.base,
    last: standing.last,
    epochs: standing.epochs,
    promisedEpoch: promises.promisedEpoch,
    legacySeq: standing.legacySeq,
    frameBytes: order.frameBytes,
    endBytes: checker.isGood ? endBytes : fileBytes,
    live: new KeyTable(index, deletions),
    requests,
    offsetIndex,
    pending,
  };
}
