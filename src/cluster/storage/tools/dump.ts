import { asBuffer } from "../../../common/as-buffer.ts";
import type { Disk } from "../disk/disk.ts";
import { LogFileError } from "../errors.ts";
import { IntegrityChecker } from "../format/integrity.ts";
import { readTokens, wholeFile } from "../format/log-reader.ts";
import { toLogRecord } from "../format/record.ts";
import type { Change, LogRecord, MoveMark, Position } from "../model.ts";
import { openForReading } from "./verify.ts";

/** A change as JSON can hold it. A record without changes has an empty key. */
export interface DumpedChange extends Position {
  /** `done`: a record that is only kept because it answers a request. */
  readonly kind: Change["kind"] | "epoch" | "done" | "release" | "accept";
  readonly key: string;
  /** In base64. Null unless `kind` is put. */
  readonly value: string | null;
  readonly text: boolean;
  /** In milliseconds since 1970. Left out when the key does not expire. */
  readonly expiresMs?: number;
  /** Left out when it is 0. */
  readonly previous?: number;
  readonly requestId?: string;
  /** What the record is to a move of keys between groups. Left out when it is nothing. */
  readonly move?: MoveMark;
  /** Which change of the record, and of how many. Left out when the record has only this one. */
  readonly batch?: { readonly change: number; readonly of: number };
}

/**
 * All changes of a log file in order. Errors: LogFileError. When the log is damaged, the error comes after all changes
 * before the damage.
 */
export async function* dumpLog(disk: Disk, path: string): AsyncGenerator<DumpedChange, void, void> {
  const file = await openForReading(disk, path);
  try {
    const checker = new IntegrityChecker(path);
    const fileBytes = await file.size();
    for await (const tokens of readTokens(file, wholeFile(fileBytes))) {
      for (const token of tokens) {
        if (!checker.take(token) || !checker.isGood || token.kind !== "record") continue;
        yield* dumpRecord(toLogRecord(token.window, token.record, checker.order.last));
      }
    }
    await checker.end(file, fileBytes);
    const { condition } = checker;
    if (condition.kind === "damaged") {
      throw new LogFileError(path, `is damaged at line ${condition.line}: ${condition.reason}`);
    }
  } catch (error) {
    throw LogFileError.from(path, "read it", error);
  } finally {
    await file.close();
  }
}

function dumpRecord(record: LogRecord): DumpedChange[] {
  const { epoch, seq, changes, requestId, move } = record;
  const ofRecord = {
    ...(requestId === undefined ? {} : { requestId }),
    ...(move === undefined ? {} : { move }),
  };
  if (changes.length === 0) {
    return [{ kind: kindOf(record), key: "", value: null, text: false, epoch, seq, ...ofRecord }];
  }
  return changes.map(({ kind, key, value, text, expiresMs, previous }, index) => ({
    kind,
    key,
    value: kind === "put" ? asBuffer(value).toString("base64") : null,
    text,
    epoch,
    seq,
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(previous === 0 ? {} : { previous }),
    ...ofRecord,
    ...(changes.length === 1 ? {} : { batch: { change: index + 1, of: changes.length } }),
  }));
}

/** Of a record without changes. */
function kindOf({ requestId, move }: LogRecord): DumpedChange["kind"] {
  if (move?.kind === "release" || move?.kind === "accept") return move.kind;
  return requestId === undefined ? "epoch" : "done";
}
