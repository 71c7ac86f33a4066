import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { Call, History } from "../../checker/history.ts";
import type { BatchWrite, StoreOperation } from "../../checker/store-model.ts";
import { signOf, withLog } from "../clients/learnt.ts";
import { shownValue } from "../clients/shown-value.ts";
import { type Era, type GroupFacts, liveAt } from "./group-facts.ts";
import { problemWithCalls } from "./log-check.ts";
import { isOwn, ownRevision } from "./revisions.ts";
import { nameOf } from "./shadow-log.ts";

/** What has happened to a group's keys in one era. */
interface EraHistory {
  readonly era: Era;
  /**
   * The calls within the era, with what its log tells of them. Of a call that goes over the end of an era nobody knows in
   * which one it was answered: if it is a write, each of them has it as one of unknown outcome. A recovery gives up, too,
   * which requests were carried out: so each era has the writes of those before it, as far as its log tells that one was
   * on its way still and was carried out again.
   */
  readonly calls: History<StoreOperation>;
}

/** The histories of a group's keys, one for each era, from all calls on these keys. */
export function historiesOf({ eras }: GroupFacts, calls: History<StoreOperation>): EraHistory[] {
  return eras.map((era) => {
    const own = calls.filter((call) => isWithin(call, era));
    const earlier = calls.filter((call) => call.called < era.toMs && !isWithin(call, era));
    const open = earlier.flatMap((call) => unknown(call, era));
    const told = withLog([...own, ...open], [era]);
    return { era, calls: [...told, ...deletesAgain(era, told, earlier)] };
  });
}

/** What is wrong with a call that goes over the end of an era: its answer is right in none. */
export function problemWithAnswerOver(
  { eras }: GroupFacts,
  calls: History<StoreOperation>,
): string | undefined {
  if (eras.length === 1) return undefined;
  for (const call of calls) {
    const own = eras.filter((era) => isPartlyWithin(call, era));
    const problems = own.flatMap((era) => problemWithCalls(era, [call]) ?? []);
    if (own.length > 0 && problems.length === own.length) return problems.join("; and ");
  }
  return undefined;
}

/** Writes, before all calls, of what an era has begun with; undefined when nobody knows that any more. */
export function takenOver(era: Era): History<StoreOperation> | undefined {
  const { epoch, committed } = era;
  if (epoch === 0) return [];
  const own = committed.findIndex((record) => record !== undefined && record.epoch >= epoch);
  const seq = own < 0 ? committed.length : own;
  if (committed.slice(0, seq).includes(undefined)) return undefined;
  const live = liveAt(committed, seq);
  return [...new Set(live.values())].map((record) => {
    const writes = record.changes.flatMap(({ key, value }): BatchWrite[] =>
      live.get(key) === record ? [{ kind: "put", key, value: shownValue(value) }] : [],
    );
    return { client: 0, operation: writeOf(era, record, writes), called: -2, returned: -1 };
  });
}

/** Whether a call was made and answered within an era; in the last one, it need not be answered. */
function isWithin({ called, returned = Number.POSITIVE_INFINITY }: Call<StoreOperation>, era: Era): boolean {
  return called >= era.fromMs && called < era.toMs && returned <= era.toMs;
}

function isPartlyWithin(call: Call<StoreOperation>, era: Era): boolean {
  const { called, returned = Number.POSITIVE_INFINITY } = call;
  return !isWithin(call, era) && called < era.toMs && returned > era.fromMs;
}

/** A write whose outcome in this era is not known. Nothing for what only reads, or cannot take effect any more. */
function unknown(call: Call<StoreOperation>, era: Era): Call<StoreOperation>[] {
  const { operation } = call;
  if (operation.kind === "get" || operation.kind === "scan" || operation.kind === "expire") return [];
  const { result } = operation;
  const hasWritten = result === undefined || (result !== "not-found" && !("refused" in result));
  // What the log can tell is left out later, unless it is there.
  if (signOf(operation) === undefined && !(hasWritten && isPartlyWithin(call, era))) return [];
  const open = { ...operation, result: undefined };
  return [{ ...call, operation: open, called: Math.max(call.called, era.fromMs), returned: undefined }];
}

/** Deletes of earlier eras that the log of this one has again: which of them it was, it does not tell. */
function deletesAgain(
  era: Era,
  known: History<StoreOperation>,
  earlier: History<StoreOperation>,
): Call<StoreOperation>[] {
  const { epoch, fromMs, committed, committedMs, appendedMs } = era;
  if (epoch === 0) return [];
  const revisions = new Set(known.map(({ operation }) => revisionOf(operation)));
  return committed.flatMap((record, index) => {
    if (record === undefined || record.epoch < epoch || record.requestId === undefined) return [];
    if (!isOwn(record) || revisions.has(ownRevision(era, record.seq))) return [];
    if (!earlier.some(({ operation }) => isDeleteOf(operation, record))) return [];
    const writes = record.changes.map(({ key }): BatchWrite => ({ kind: "delete", key }));
    const returned = committedMs[index] ?? 0;
    const called = Math.min(appendedMs.get(nameOf(record)) ?? fromMs, returned);
    return [{ client: 0, operation: writeOf(era, record, writes), called, returned }];
  });
}

/** Whether a record may be of this operation, which deletes only. */
function isDeleteOf(operation: StoreOperation, { changes }: LogRecord): boolean {
  if (operation.kind !== "delete" && operation.kind !== "batch") return false;
  const writes: readonly BatchWrite[] = operation.kind === "batch" ? operation.writes : [operation];
  const isDelete = writes.every(({ kind }) => kind === "delete");
  const isOf = changes.every(
    ({ kind, key }) => kind === "delete" && writes.some((write) => write.key === key),
  );
  return isDelete && isOf && changes.length > 0;
}

function revisionOf(operation: StoreOperation): number | undefined {
  const { result } = operation;
  return typeof result === "object" && "revision" in result ? result.revision : undefined;
}

function writeOf(era: Era, { seq }: LogRecord, writes: readonly BatchWrite[]): StoreOperation {
  const [first] = writes;
  const result = { revision: ownRevision(era, seq) };
  if (first === undefined || writes.length > 1) return { kind: "batch", compares: [], writes, result };
  return { ...first, result };
}
