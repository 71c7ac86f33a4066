import type { KvEvent } from "kvlab";
import type { Positions } from "../../../src/client/positions.ts";
import type { Change, LogRecord } from "../../../src/cluster/storage/model.ts";
import { includes, type WatchScope } from "../../../src/cluster/watch/scope.ts";
import { shownValue } from "../clients/shown-value.ts";
import { changeOf } from "./shadow-log.ts";

type Committed = readonly (LogRecord | undefined)[];

/** How far one group's changes were told. */
interface Cursor {
  /** All of the scope was told up to this record. */
  seq: number;
  /** And so many changes of the scope of the next one. */
  count: number;
}

export interface Told {
  readonly scope: WatchScope;
  /** Whether events are to tell what was there before. */
  readonly previous: boolean;
  readonly committedOf: (group: string) => Committed;
  readonly groupOf: (key: string) => string | undefined;
}

/**
 * What a program was told by one watch after another, held against the committed logs: all changes of the scope, each
 * group's in their order, none twice; and each token stands for what was told with it.
 */
export class ToldEvents {
  readonly #told: Told;
  readonly #cursors = new Map<string, Cursor>();

  constructor(told: Told) {
    this.#told = told;
  }

  /** A watch begins after these positions. */
  begin({ groups }: Positions): void {
    this.#cursors.clear();
    for (const [group, { revision }] of groups) this.#cursors.set(group, { seq: Number(revision), count: 0 });
  }

  /** What is wrong with an event; undefined if nothing is. */
  take(event: KvEvent): string | undefined {
    const group = this.#told.groupOf(event.key) ?? "";
    const committed = this.#told.committedOf(group);
    const cursor = this.#cursorOf(group);
    const shown = `${event.type} ${event.key} of revision ${event.revision}`;
    for (;;) {
      if (cursor.seq >= committed.length) return `is told of ${shown}, which is not committed`;
      const seq = cursor.seq + 1;
      const record = committed[cursor.seq];
      // Nobody knows any more what it was.
      if (record === undefined && event.revision === seq) return undefined;
      const changes = record === undefined ? [] : this.#changesOf(record);
      const wanted = changes[cursor.count];
      if (wanted === undefined) {
        cursor.seq++;
        cursor.count = 0;
        continue;
      }
      if (event.revision !== seq || !isSame(event, wanted)) {
        return `is told of ${shown} in place of ${wanted.kind} ${wanted.key} of revision ${seq}`;
      }
      if (++cursor.count === changes.length) {
        cursor.seq++;
        cursor.count = 0;
      }
      return this.#problemWithPrevious(committed, event, wanted);
    }
  }

  /** What is wrong with a token that stands for these positions. */
  reached({ groups }: Positions): string | undefined {
    for (const [group, { revision, epoch }] of groups) {
      const committed = this.#told.committedOf(group);
      const seq = Number(revision);
      const place = `has a token for record ${seq} of group ${group}`;
      if (seq > committed.length) return `${place}, where ${committed.length} are committed`;
      const known = committed[seq - 1]?.epoch;
      if (epoch !== 0n && known !== undefined && Number(epoch) !== known) return `${place} of epoch ${epoch}`;
      const cursor = this.#cursorOf(group);
      if (seq < cursor.seq) {
        const isTold = committed
          .slice(seq, cursor.seq)
          .some((record) => record && this.#changesOf(record).length > 0);
        if (isTold) return `${place}, and was told up to ${cursor.seq}`;
      }
      for (; cursor.seq < seq; cursor.seq++, cursor.count = 0) {
        const record = committed[cursor.seq];
        const missed = record && this.#changesOf(record)[cursor.count];
        if (missed) return `${place} without ${missed.kind} ${missed.key} of revision ${cursor.seq + 1}`;
      }
    }
    return undefined;
  }

  /** Whether it was told everything of these groups. */
  isCurrent(groups: readonly string[]): boolean {
    return groups.every((group) => {
      const cursor = this.#cursorOf(group);
      const [first, ...rest] = this.#told.committedOf(group).slice(cursor.seq);
      if (first !== undefined && this.#changesOf(first).length > cursor.count) return false;
      return rest.every((record) => record === undefined || this.#changesOf(record).length === 0);
    });
  }

  /** A group that was not known when the watch began is told from its beginning. */
  #cursorOf(group: string): Cursor {
    const cursor = this.#cursors.get(group) ?? { seq: 0, count: 0 };
    this.#cursors.set(group, cursor);
    return cursor;
  }

  #changesOf({ changes }: LogRecord): readonly Change[] {
    return changes.filter(({ key }) => includes(this.#told.scope, key));
  }

  #problemWithPrevious(committed: Committed, event: KvEvent, change: Change): string | undefined {
    const { previous } = event;
    const shown = `is told of ${event.type} ${event.key} of revision ${event.revision}`;
    if (!this.#told.previous || change.previous === 0) {
      return previous && `${shown} after ${previous.revision}, which was not to be told`;
    }
    if (previous?.revision !== change.previous)
      return `${shown} after ${previous?.revision}, not ${change.previous}`;
    const before = committed[change.previous - 1];
    const value = before && changeOf(before, event.key)?.value;
    if (value === undefined || previous.value === undefined) return undefined;
    if (shownValue(value) === shownValue(previous.value)) return undefined;
    return `${shown} after another value than that of ${change.previous}`;
  }
}

function isSame(event: KvEvent, change: Change): boolean {
  if (event.type !== change.kind || event.key !== change.key) return false;
  return event.type !== "put" || shownValue(event.value) === shownValue(change.value);
}
