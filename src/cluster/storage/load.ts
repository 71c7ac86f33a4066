import type { DiskFile } from "./disk/disk.ts";
import { IntegrityChecker } from "./format/integrity.ts";
import { readTokens, wholeFile } from "./format/log-reader.ts";
import { toLogRecord } from "./format/record.ts";
import type { RecordOrder } from "./format/record-order.ts";
import { extendChecksum } from "./format/running-checksum.ts";
import { bytesOf, type RecordToken } from "./format/token.ts";
import { takeChanges } from "./index/found-changes.ts";
import { KeyIndex } from "./index/key-index.ts";
import { KeyTable } from "./index/key-table.ts";
import { OffsetIndex } from "./index/offset-index.ts";
import { forgottenIn, RequestTable } from "./index/request-table.ts";
import type { LogFileFacts } from "./log-file.ts";
import type { PlacedRecord } from "./read/tail-cache.ts";
import type { LogContents } from "./state.ts";

/** What the records of a log, in their order, make of its keys and requests. */
export class LogTables {
  readonly index: KeyIndex;
  readonly offsets: OffsetIndex;
  readonly requests: RequestTable;
  readonly #deletions = new Map<string, number>();

  constructor(requests: RequestTable, index = new KeyIndex(), offsets = new OffsetIndex()) {
    this.requests = requests;
    this.index = index;
    this.offsets = offsets;
  }

  /** Knows the visible records only. */
  get keys(): KeyTable {
    return new KeyTable(this.index, this.#deletions);
  }

  /** Takes note of a record, visible or not. */
  note({ record, offset }: RecordToken, { seq, isInSnapshot }: RecordOrder): void {
    if (!isInSnapshot) this.offsets.add(seq, offset);
    this.requests.note(record, seq);
  }

  /** Makes a record visible. */
  show(token: RecordToken, { seq, isInSnapshot }: RecordOrder): void {
    takeChanges(this.index, token, seq);
    for (const { kind, key } of token.record.changes) {
      this.#deletions.delete(key);
      if (kind !== "put" && !isInSnapshot) this.#deletions.set(key, seq);
    }
  }
}

/** What a log file says, as far as it is good. */
export interface LoadedLog extends LogContents {
  readonly facts: Omit<LogFileFacts, "isCopy">;
  /** The file that the header was written for: see `Header.fileId`. */
  readonly fileId: string | undefined;
  /** Where the last write begins: everything before it had been synced when it was made. */
  readonly lastWriteFrom: number;
}

/**
 * Reads a log file whole, and remembers at most `requestsMax` requests. Records after `visibleSeq` are pending.
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
  const tables = new LogTables(new RequestTable(requestsMax));
  const pending: PlacedRecord[] = [];
  let endBytes = 0;
  let lastWriteFrom = 0;
  let checksum = 0;

  const takeRecord = (token: RecordToken) => {
    tables.note(token, order);
    if (order.seq <= visibleSeq) return tables.show(token, order);
    const { record, offset, bytes, window } = token;
    const entryBytes = record.changes.map((entry) => entry.end - entry.start);
    // What stands for no change is an entry, too.
    if (entryBytes.length === 0) entryBytes.push(bytes);
    pending.push({ record: toLogRecord(window, record, order.last), offset, entryBytes });
  };

  for await (const tokens of readTokens(file, wholeFile(fileBytes))) {
    for (const token of tokens) {
      if (!checker.take(token)) continue;
      // A rewrite may have moved the records of the write, and removed others.
      lastWriteFrom = Math.max(0, token.offset - token.back);
      if (token.kind === "control" && token.control.kind === "base") {
        tables.requests.forget(forgottenIn(token.control));
      }
      // Behind damage, or in an unfinished end, nothing else is taken over.
      if (!checker.isGood) continue;
      endBytes = token.offset + token.bytes;
      checksum = extendChecksum(checksum, bytesOf(token));
      if (token.kind === "record") takeRecord(token);
    }
  }
  await checker.end(file, fileBytes);
  const { condition, standing, promises, damages } = checker;
  const { base, last, epochs, moves, legacySeq } = standing;
  const [damage] = damages;
  return {
    condition,
    positions: { base, last, epochs, moves, promisedEpoch: promises.promisedEpoch },
    keys: tables.keys,
    requests: tables.requests,
    pending,
    fileId: order.fileId,
    lastWriteFrom,
    facts: {
      endBytes: checker.isGood ? endBytes : fileBytes,
      checksum,
      identity: order.identity,
      life: promises.life,
      hasLostHeader: checker.hasLostHeader,
      damage: damage && { offset: damage.offset, last: order.last },
      frameBytes: order.frameBytes,
      legacySeq,
      offsets: tables.offsets,
    },
  };
}
