import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { History } from "../../checker/history.ts";
import type { BatchWrite, ScanOperation, StoreOperation } from "../../checker/store-model.ts";
import { shownValue } from "../clients/shown-value.ts";
import { changeOf } from "./shadow-log.ts";

/**
 * What the committed log of a group says of itself, and of what clients were told of the group's keys; undefined when all
 * is well.
 */
export function problemWithLog(
  committed: readonly (LogRecord | undefined)[],
  history: History<StoreOperation>,
): string | undefined {
  return problemWithRecords(committed) ?? problemWithCalls(committed, history);
}

/** What the committed log says of what clients were told. */
export function problemWithCalls(
  committed: readonly (LogRecord | undefined)[],
  history: History<StoreOperation>,
): string | undefined {
  return problemWithAnswers(committed, history) ?? problemWithScans(committed, history);
}

/** Each record continues from those before it, and no request is answered twice. */
function problemWithRecords(committed: readonly (LogRecord | undefined)[]): string | undefined {
  const live = new Map<string, number>();
  const requests = new Map<string, number>();
  let isWhole = true;
  for (const record of committed) {
    if (record === undefined) isWhole = false;
    if (!isWhole || record === undefined) continue;
    const { seq, requestId, changes } = record;
    const before = requestId === undefined ? undefined : requests.get(requestId);
    if (before !== undefined)
      return `request ${requestId} was carried out twice, by records ${before} and ${seq}`;
    if (requestId !== undefined) requests.set(requestId, seq);
    for (const { kind, key, previous } of changes) {
      const revision = live.get(key) ?? 0;
      if (previous !== revision) {
        return `record ${seq} (${kind} ${key}) replaces revision ${previous}, and the key has revision ${revision}`;
      }
      if (kind === "put") live.set(key, seq);
      else if (!live.delete(key)) return `record ${seq} (${kind} ${key}) ends a key that does not exist`;
    }
  }
  return undefined;
}

/** A write is in the log, whole and alone, as it was asked for. */
function problemWithAnswers(
  committed: readonly (LogRecord | undefined)[],
  history: History<StoreOperation>,
): string | undefined {
  for (const { operation } of history) {
    const { kind } = operation;
    if (kind === "get" || kind === "scan" || kind === "expire") continue;
    const { result } = operation;
    if (result === undefined || result === "not-found" || "refused" in result) continue;
    const record = committed[result.revision - 1];
    if (record === undefined) continue;
    const writes: readonly BatchWrite[] = kind === "batch" ? operation.writes : [operation];
    // What only deletes may have had nothing to write.
    if (kind === "batch" && !writes.some((write) => write.kind === "put")) continue;
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
function problemWithScans(
  committed: readonly (LogRecord | undefined)[],
  history: History<StoreOperation>,
): string | undefined {
  const scans = history.flatMap(({ operation }) => (operation.kind === "scan" ? [operation] : []));
  scans.sort((a, b) => (a.result?.at ?? 0) - (b.result?.at ?? 0));
  const live = new Map<string, string>();
  let seq = 0;
  for (const { keys, result } of scans) {
    if (result === undefined) continue;
    for (; seq < result.at; seq++) {
      const record = committed[seq];
      if (record === undefined) return undefined;
      for (const { kind, key, value } of record.changes) {
        if (kind === "put") live.set(key, `${shownValue(value)} (${record.seq})`);
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
