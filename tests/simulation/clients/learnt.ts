import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import type { Call, History } from "../../checker/history.ts";
import type { ExpireOperation, StoreOperation } from "../../checker/store-model.ts";
import type { Era } from "../checks/group-facts.ts";
import { isOwn, ownRevision, revisionAt } from "../checks/revisions.ts";
import { nameOf } from "../checks/shadow-log.ts";
import { shownValue } from "./shown-value.ts";

/** A record that is committed, and since when. */
interface Found {
  readonly revision: number;
  readonly committedMs: number;
}

/**
 * A history with what the committed logs tell of it: the outcome of writes of which nobody was told, and the ends of
 * keys whose time was over. A write that can be told in a log, and is in none, never took effect. What an era has taken
 * over has not happened in it.
 */
export function withLog(history: History<StoreOperation>, eras: Iterable<Era>): History<StoreOperation> {
  const known = [...eras];
  const writes = new Map<string, Found>();
  let isWhole = true;
  for (const era of known) {
    for (const [index, record] of era.committed.entries()) {
      if (record === undefined) isWhole = false;
      // A copy tells what has happened elsewhere.
      else if (record.epoch >= era.epoch && isOwn(record)) {
        const found = { revision: ownRevision(era, record.seq), committedMs: era.committedMs[index] ?? 0 };
        for (const sign of signsOf(record)) writes.set(sign, found);
      }
    }
  }
  const told = history.flatMap((call) => {
    const sign = call.returned === undefined ? signOf(call.operation) : undefined;
    if (sign === undefined) return [call];
    const found = writes.get(sign);
    return found === undefined ? (isWhole ? [] : [call]) : [answered(call, found)];
  });
  return [...told, ...known.flatMap(expiries)];
}

/** Names all that is in a record and in no other. */
function signsOf({ requestId, changes }: LogRecord): string[] {
  const values = changes.flatMap(({ kind, value }) => (kind === "put" ? [`value ${shownValue(value)}`] : []));
  return requestId === undefined ? values : [`request ${requestId}`, ...values];
}

/** Names an operation as its record does; undefined when nothing tells it from others. */
export function signOf(operation: StoreOperation): string | undefined {
  switch (operation.kind) {
    case "put":
      return `value ${operation.value}`;
    case "delete":
      return operation.request === undefined ? undefined : `request ${operation.request}`;
    case "batch": {
      const put = operation.writes.find(({ kind }) => kind === "put");
      if (put?.kind === "put") return `value ${put.value}`;
      return operation.request === undefined ? undefined : `request ${operation.request}`;
    }
    default:
      return undefined;
  }
}

function answered(call: Call<StoreOperation>, { revision, committedMs }: Found): Call<StoreOperation> {
  const operation = { ...call.operation, result: { revision } } as StoreOperation;
  return { ...call, operation, returned: Math.max(committedMs, call.called) };
}

function expiries(era: Era): Call<ExpireOperation>[] {
  const { epoch, committed, committedMs, appendedMs } = era;
  return committed.flatMap((record, index) => {
    if (record === undefined || record.epoch < epoch || !isOwn(record)) return [];
    const result = { revision: ownRevision(era, record.seq) };
    return record.changes.flatMap(({ kind, key, previous: seq }) => {
      if (kind !== "expire") return [];
      const previous = seq === 0 ? 0 : revisionAt(era, seq);
      const returned = committedMs[index] ?? 0;
      const called = Math.min(appendedMs.get(nameOf(record)) ?? 0, returned);
      return [{ client: 0, operation: { kind, key, previous, result }, called, returned }];
    });
  });
}
