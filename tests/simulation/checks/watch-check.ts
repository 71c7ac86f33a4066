import type { Change, LogRecord, Position } from "../../../src/cluster/storage/model.ts";
import { includes, type WatchScope } from "../../../src/cluster/watch/scope.ts";
import type { StepInLog, WatchEvent } from "../../../src/cluster/watch/step.ts";
import { type CommittedLog, isOwn, ownRevision, revisionAt } from "./revisions.ts";
import { changeOf, isSameChange, type ShadowLog } from "./shadow-log.ts";

type Committed = readonly (LogRecord | undefined)[];

/** A step, and what was then compacted at the node that tells it. */
export interface ToldStep extends StepInLog {
  readonly baseSeq: number;
}

/** What a watch was asked for, and how far it has come. */
export interface Watched {
  readonly scope: WatchScope;
  /** Whether events are to tell what was there before. */
  readonly previous: boolean;
  readonly after: Position;
}

/**
 * What is wrong with a step: it tells of all changes of the scope in the committed log from where the watch was to
 * where the step leads, in their order, and of nothing else; and what belongs together stands in one step.
 */
export function problemWithStep(log: CommittedLog, watched: Watched, step: ToldStep): string | undefined {
  const { committed } = log;
  const { scope, previous, after } = watched;
  const { at, events, baseSeq } = step;
  if (at.seq < after.seq) return `goes back from ${after.seq} to ${at.seq}`;
  const epoch = committed[at.seq - 1]?.epoch;
  if (at.seq > committed.length)
    return `tells how far it is: ${at.seq}, and ${committed.length} is committed`;
  if (epoch !== undefined && epoch !== at.epoch) {
    return `has come to ${at.epoch}.${at.seq}, and ${epoch}.${at.seq} is committed`;
  }
  let next = 0;
  for (let seq = after.seq + 1; seq <= at.seq; seq++) {
    const record = committed[seq - 1];
    const revision = ownRevision(log, seq);
    if (record === undefined) {
      // Nobody knows any more what it was.
      while (events[next]?.revision === revision) next++;
      continue;
    }
    if (!isOwn(record)) continue;
    for (const change of record.changes) {
      if (!includes(scope, change.key)) continue;
      const event = events[next++];
      const wanted = `${change.kind} ${change.key} of revision ${revision}`;
      if (event === undefined) return `has come to ${at.seq} without ${wanted}`;
      if (event.revision !== revision || !isSameChange(event.change, change)) {
        return `tells of ${shown(event)} in place of ${wanted}`;
      }
      const problem = previous ? problemWithPrevious(log, event, baseSeq) : undefined;
      if (problem !== undefined) return `tells of ${wanted}, ${problem}`;
    }
  }
  const extra = events[next];
  return extra && `has come to ${at.seq}, and tells of ${shown(extra)}`;
}

/**
 * Whether what comes after a position may be gone, from some node of the group at least. A slow reader hears of it late: the
 * node may have another log by then.
 */
export function isLostRightly(committed: Committed, replicas: Iterable<ShadowLog>, after: Position): boolean {
  const epoch = committed[after.seq - 1]?.epoch;
  // Otherwise a recovery has given up the place.
  const isThere = after.seq <= committed.length && (epoch === undefined || epoch === after.epoch);
  if (!isThere) return true;
  return [...replicas].some(({ store, compactedSeq }) => store === undefined || compactedSeq > after.seq);
}

function problemWithPrevious(
  log: CommittedLog,
  { change, previous }: WatchEvent,
  baseSeq: number,
): string | undefined {
  const revision = revisionAt(log, change.previous);
  if (change.previous === 0) return previous && `after revision ${previous.revision}, and there was nothing`;
  // Where compaction has passed, nobody knows whether it was a copy.
  const isOwnNow = previous?.value === undefined && previous?.revision === ownRevision(log, change.previous);
  if (previous?.revision !== revision && !(isOwnNow && change.previous <= baseSeq))
    return `after revision ${previous?.revision}, and not after ${revision}`;
  const { value } = previous;
  if (value === undefined)
    return change.previous <= baseSeq ? undefined : `without the value of revision ${revision}`;
  const record = log.committed[change.previous - 1];
  const before: Change | undefined = record && changeOf(record, change.key);
  if (record === undefined || Buffer.compare(before?.value ?? Buffer.alloc(0), value.value) === 0)
    return undefined;
  return `after another value than that of revision ${revision}`;
}

function shown({ change, revision }: WatchEvent): string {
  return `${change.kind} ${change.key} of revision ${revision}`;
}
