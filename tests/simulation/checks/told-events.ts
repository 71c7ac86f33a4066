import type { KvEvent } from "kvlab";
import type { Position, Positions } from "../../../src/client/positions.ts";
import type { Change, LogRecord } from "../../../src/cluster/storage/model.ts";
import { includes, type WatchScope } from "../../../src/cluster/watch/scope.ts";
import { shownValue } from "../clients/shown-value.ts";
import { type CommittedLog, isOwn, ownRevision, revisionAt, seqAt } from "./revisions.ts";
import { changeOf, isSame as isSameRecord } from "./shadow-log.ts";

/** How far one group's changes were told. */
interface Cursor {
  /** In which of the group's histories. */
  era: number;
  /** All of the scope was told up to this record. */
  seq: number;
  /** And so many changes of the scope of the next one. */
  count: number;
}

export interface Told {
  readonly scope: WatchScope;
  /** Whether events are to tell what was there before. */
  readonly previous: boolean;
  /** The committed logs of a group, one for each of its eras. */
  readonly logsOf: (group: string) => readonly CommittedLog[];
  readonly groupOf: (key: string) => string | undefined;
}

/**
 * What a program was told by one watch after another, held against the committed logs: all changes of the scope, each
 * group's in their order, none twice; and each token stands for what was told with it.
 */
export class ToldEvents {
  readonly #told: Told;
  /** Of each group. In which history a watch is may show only later: a write may be in two, at the same place. */
  readonly #cursors = new Map<string, readonly Cursor[]>();

  constructor(told: Told) {
    this.#told = told;
  }

  /** A watch begins after these positions. */
  begin({ groups }: Positions): void {
    this.#cursors.clear();
    for (const [group, { revision, epoch }] of groups) {
      const logs = this.#told.logsOf(group);
      const places = logs.map((log, era) => ({ log, era, seq: seqAt(log, Number(revision)) }));
      const known = places.filter(({ log, seq }) => mayHave(log, { seq, epoch: Number(epoch) }));
      this.#cursors.set(
        group,
        (known.length > 0 ? known : places.slice(-1)).map(({ era, seq }) => ({ era, seq, count: 0 })),
      );
    }
  }

  /** What is wrong with an event; undefined if nothing is. */
  take(event: KvEvent): string | undefined {
    const group = this.#told.groupOf(event.key) ?? "";
    return this.#inSomeEra(group, (cursor, log) => this.#problemWithEvent(event, cursor, log));
  }

  /** What is wrong with a token that stands for these positions. */
  reached({ groups }: Positions): string | undefined {
    for (const [group, position] of groups) {
      const problem = this.#inSomeEra(group, (cursor, log) =>
        this.#problemWithPlace(`revision ${position.revision} of group ${group}`, position, cursor, log),
      );
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Whether it was told everything of these groups. */
  isCurrent(groups: readonly string[]): boolean {
    return groups.every((group) => {
      const logs = this.#told.logsOf(group);
      return this.#cursorsOf(group).some((cursor) => {
        if (!goesOnIn(cursor, logs, logs.length - 1)) return false;
        const [first, ...rest] = logs.at(-1)?.committed.slice(cursor.seq) ?? [];
        if (first !== undefined && this.#changesOf(first).length > cursor.count) return false;
        return rest.every((record) => record === undefined || this.#changesOf(record).length === 0);
      });
    });
  }

  /**
   * What is wrong with something in the era that a cursor is in, and in those that go on from where it stands: a watch need
   * not notice a recovery that has given up nothing of what it was told. Moves the cursors where all is well.
   */
  #inSomeEra(
    group: string,
    problemIn: (cursor: Cursor, log: CommittedLog) => string | undefined,
  ): string | undefined {
    const logs = this.#told.logsOf(group);
    const moved = new Map<number, Cursor>();
    let problem: string | undefined;
    for (const known of this.#cursorsOf(group)) {
      for (let era = known.era; era < logs.length; era++) {
        if (!goesOnIn(known, logs, era)) continue;
        const cursor = { ...known, era };
        const found = problemIn(cursor, logs[era] ?? { committed: [], aheads: [] });
        if (found === undefined) moved.set(era, cursor);
        problem ??= found;
      }
    }
    if (moved.size === 0) return problem;
    this.#cursors.set(group, [...moved.values()]);
    return undefined;
  }

  #problemWithEvent(event: KvEvent, cursor: Cursor, log: CommittedLog): string | undefined {
    const { committed } = log;
    const shown = `${event.type} ${event.key} of revision ${event.revision}`;
    for (;;) {
      if (cursor.seq >= committed.length) return `is told of ${shown}, which is not committed`;
      const record = committed[cursor.seq];
      const revision = ownRevision(log, cursor.seq + 1);
      // Nobody knows any more what it was.
      if (record === undefined && event.revision === revision) return undefined;
      const changes = record === undefined ? [] : this.#changesOf(record);
      const wanted = changes[cursor.count];
      if (wanted === undefined) {
        cursor.seq++;
        cursor.count = 0;
        continue;
      }
      if (event.revision !== revision || !isSame(event, wanted)) {
        return `is told of ${shown} in place of ${wanted.kind} ${wanted.key} of revision ${revision}`;
      }
      if (++cursor.count === changes.length) {
        cursor.seq++;
        cursor.count = 0;
      }
      return this.#problemWithPrevious(log, event, wanted);
    }
  }

  #problemWithPlace(
    what: string,
    { revision, epoch }: Position,
    cursor: Cursor,
    log: CommittedLog,
  ): string | undefined {
    const { committed } = log;
    const seq = seqAt(log, Number(revision));
    const place = `has a token for ${what}`;
    if (seq > committed.length) return `${place}, where ${committed.length} are committed`;
    if (!mayHave(log, { seq, epoch: Number(epoch) })) return `${place} of epoch ${epoch}`;
    if (seq < cursor.seq) {
      const isTold = committed
        .slice(seq, cursor.seq)
        .some((record) => record && this.#changesOf(record).length > 0);
      if (isTold) return `${place}, and was told up to ${cursor.seq}`;
    }
    for (; cursor.seq < seq; cursor.seq++, cursor.count = 0) {
      const record = committed[cursor.seq];
      const missed = record && this.#changesOf(record)[cursor.count];
      if (missed)
        return `${place} without ${missed.kind} ${missed.key} of revision ${ownRevision(log, cursor.seq + 1)}`;
    }
    return undefined;
  }

  /** A group that was not known when the watch began is told from its beginning. */
  #cursorsOf(group: string): readonly Cursor[] {
    return this.#cursors.get(group) ?? [{ era: 0, seq: 0, count: 0 }];
  }

  /** What comes from another group, or has gone there, is no event. */
  #changesOf(record: LogRecord): readonly Change[] {
    return isOwn(record) ? record.changes.filter(({ key }) => includes(this.#told.scope, key)) : [];
  }

  #problemWithPrevious(log: CommittedLog, event: KvEvent, change: Change): string | undefined {
    const { previous } = event;
    const shown = `is told of ${event.type} ${event.key} of revision ${event.revision}`;
    if (!this.#told.previous || change.previous === 0) {
      return previous && `${shown} after ${previous.revision}, which was not to be told`;
    }
    const before = log.committed[change.previous - 1];
    const revision = revisionAt(log, change.previous);
    // Where compaction has passed, nobody knows whether it was a copy.
    const isOwnNow =
      previous?.value === undefined && previous?.revision === ownRevision(log, change.previous);
    if (previous?.revision !== revision && !isOwnNow && before !== undefined)
      return `${shown} after ${previous?.revision}, not ${revision}`;
    const value = before && changeOf(before, event.key)?.value;
    if (value === undefined || previous?.value === undefined) return undefined;
    if (shownValue(value) === shownValue(previous.value)) return undefined;
    return `${shown} after another value than that of ${revision}`;
  }
}

/** Whether a log has a record of this epoch and seq, as far as is known. */
function mayHave({ committed }: CommittedLog, { seq, epoch }: { seq: number; epoch: number }): boolean {
  if (seq > committed.length) return false;
  const known = committed[seq - 1]?.epoch;
  return epoch === 0 || known === undefined || known === epoch;
}

/** Whether a watch may go on in an era. It may have missed one in between, which lacked what the next one has again. */
function goesOnIn(cursor: Cursor, logs: readonly CommittedLog[], era: number): boolean {
  return era === cursor.era || isBoth(cursor, logs[cursor.era], logs[era]);
}

/** Whether a cursor stands where both logs are the same still. */
function isBoth({ seq, count }: Cursor, one?: CommittedLog, other?: CommittedLog): boolean {
  const toldSeq = count > 0 ? seq + 1 : seq;
  if (one === undefined || other === undefined || toldSeq > other.committed.length) return toldSeq === 0;
  return one.committed.slice(0, toldSeq).every((record, index) => {
    const also = other.committed[index];
    return record === undefined || also === undefined || isSameRecord(also, record);
  });
}

function isSame(event: KvEvent, change: Change): boolean {
  if (event.type !== change.kind || event.key !== change.key) return false;
  return event.type !== "put" || shownValue(event.value) === shownValue(change.value);
}
