import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { History } from "../../checker/history.ts";
import type { BatchWrite, ScanOperation, StoreOperation } from "../../checker/store-model.ts";
import { shownValue } from "../clients/shown-value.ts";
import { type CommittedLog, isOwn, recordOf, revisionAt, seqAt } from "./revisions.ts";
import { changeOf } from "./shadow-log.ts";

/**
 * What the committed log of a group says of itself, and of what clients were told of the group's keys; undefined when all
 * is well.
 */
export function problemWithLog(log: CommittedLog, history: History<StoreOperation>): string | undefined {
  return problemWithRecords(log) ?? problemWithCalls(log, history);
}

/** What the committed log says of what clients were told. */
export function problemWithCalls(log: CommittedLog, history: History<StoreOperation>): string | undefined {
  return problemWithAnswers((revision) => recordOf(log, revision), history) ?? problemWithScans(log, history);
}

/** Each record continues from those before it, and no request is answered twice. */
export function problemWithRecords({ committed }: CommittedLog): string | undefined {
  const live = new Map<string, number>();
  const requests = new Map<string, number>();
  let isWhole = true;
  for (const record of committed) {
    if (record === undefined) isWhole = false;
    if (!isWhole || record === undefined) continue;
    const { seq, requestId, changes } = record;
    if (!isOwn(record)) {
      // What comes from another group, or has gone there, may be there or not.
      for (const { kind, key } of changes) {
        if (kind === "put") live.set(key, seq);
        else live.delete(key);
      }
      continue;
    }
    const before = requestId === undefined ? undefined : requests.get(requestId);
    if (before !== undefined)
      return `request ${requestId} was carried out twice, by records ${before} and ${seq}`;
    if (requestId !== undefined) requests.set(requestId, seq);
    for (const { kind, key, previous } of changes) {
      const last = live.get(key) ?? 0;
      if (previous !== last) {
        return `record ${seq} (${kind} ${key}) replaces revision ${previous}, and the key has revision ${last}`;
      }
      if (kind === "put") live.set(key, seq);
      else if (!live.delete(key)) return `record ${seq} (${kind} ${key}) ends a key that does not exist`;
    }
  }
  return undefined;
}

/** A write is in a log, whole and alone, as it was asked for: by its revision, and the key that it is of. */
export function problemWithAnswers(
  recordAt: (revision: number, key: string) => LogRecord | undefined,
  history: History<StoreOperation>,
): string | undefined {
  for (const { operation } of history) {
    const { kind } = operation;
    if (kind === "get" || kind === "scan" || kind === "expire") continue;
    const { result } = operation;
    if (result === undefined || result === "not-found" || "refused" in result) continue;
    const writes: readonly BatchWrite[] = kind === "batch" ? operation.writes : [operation];
    // What only deletes may have had nothing to write.
    const first = kind === "batch" ? writes.find((write) => write.kind === "put") : writes[0];
    const record = first && recordAt(result.revision, first.key);
    if (record === undefined) continue;
    const problem = problemWithRecord(record, writes);
    if (problem !== undefined)
      return `revision ${result.revision} was told to who asked for ${describe(writes)}, and ${problem}`;
  }
  return undefined;
}

function problemWithRecord(record: LogRecord, writes: readonly BatchWrite[]): string | undefined {
  for (const write of writes) {
    const change = changeOf(record, write.key);
    // A delete may have found nothing to delete.
    if (change === undefined && write.kind === "delete" && writes.length > 1) continue;
    const isSame =
      change?.kind === write.kind && (write.kind === "delete" || shownValue(change.value) === write.value);
    if (!isSame) return `its record has ${change?.kind ?? "nothing"} for ${write.key}`;
  }
  const other = record.changes.find(({ key }) => !writes.some((write) => write.key === key));
  return other && `its record has ${other.kind} ${other.key}`;
}

/** A scan shows the keys as they were at its revision. */
function problemWithScans(log: CommittedLog, history: History<StoreOperation>): string | undefined {
  const scans = history.flatMap(({ operation }) => (operation.kind === "scan" ? [operation] : []));
  scans.sort((a, b) => (a.result?.at ?? 0) - (b.result?.at ?? 0));
  const live = new Map<string, string>();
  let seq = 0;
  for (const { keys, result } of scans) {
    if (result === undefined) continue;
    for (const atSeq = seqAt(log, result.at); seq < atSeq; seq++) {
      const record = log.committed[seq];
      if (record === undefined) return undefined;
      for (const { kind, key, value } of record.changes) {
        if (kind === "put") live.set(key, `${shownValue(value)} (${revisionAt(log, record.seq)})`);
        else live.delete(key);
      }
    }
    const problem = problemWithScan(live, keys, result);
    if (problem !== undefined) return `a scan at revision ${result.at} shows ${problem}`;
  }
  return undefined;
}

function problemWithScan(
  live: ReadonlyMap<string, string>,
  keys: ScanOperation["keys"],
  { found }: NonNullable<ScanOperation["result"]>,
): string | undefined {
  const shown = new Map(found.map(({ key, value, revision }) => [key, `${value} (${revision})`]));
  if (shown.size < found.length) return "a key twice";
  const stranger = [...shown.keys()].find((key) => !keys.includes(key));
  if (stranger !== undefined) return `${stranger}, which is not of its group`;
  const wrong = keys.find((key) => shown.get(key) !== live.get(key));
  return wrong && `${wrong} as ${shown.get(wrong) ?? "absent"}, and it was ${live.get(wrong) ?? "absent"}`;
}

function describe(writes: readonly BatchWrite[]): string {
  return writes
    .map((write) => `${write.kind} ${write.key}${write.kind === "put" ? `=${write.value}` : ""}`)
    .join(", ");
}
