import type { KvEvent } from "kvlab";
import type { Positions } from "../../../src/client/positions.ts";
import { includes, type WatchScope } from "../../../src/cluster/watch/scope.ts";
import { shownValue } from "../clients/shown-value.ts";
import { type CommittedLog, seqAt } from "./revisions.ts";
import type { RingFacts, Written } from "./ring-facts.ts";

export interface ToldOfMoves {
  readonly scope: WatchScope;
  /** Whether events are to tell what was there before. */
  readonly previous: boolean;
  readonly keys: readonly string[];
  readonly ring: RingFacts;
  readonly logOf: (group: string) => CommittedLog;
}

/**
 * What a program was told by one watch after another while keys move from group to group: each write of a key once, in
 * their order, and each token stands for what was told with it.
 */
export class ToldMoves {
  readonly #told: ToldOfMoves;
  /** By key: so many of its writes were told. */
  readonly #counts = new Map<string, number>();
  #last: Written | undefined;

  constructor(told: ToldOfMoves) {
    this.#told = told;
  }

  /** A watch begins after these positions. */
  begin(positions: Positions): void {
    for (const key of this.#keys) this.#counts.set(key, this.#covered(key, positions));
    this.#last = undefined;
  }

  /** What is wrong with an event; undefined if nothing is. */
  take(event: KvEvent): string | undefined {
    const { key, revision, type } = event;
    const shown = `is told of ${type} ${key} of revision ${revision}`;
    const count = this.#counts.get(key) ?? 0;
    const written = this.#told.ring.historyOf(key)[count];
    if (written === undefined) return `${shown}, which is not committed, or was told before`;
    const { change } = written;
    if (revision !== written.revision || type !== change.kind)
      return `${shown} in place of ${change.kind} ${key} of revision ${written.revision}`;
    if (type === "put" && shownValue(event.value) !== shownValue(change.value))
      return `${shown} with another value`;
    this.#counts.set(key, count + 1);
    this.#last = written;
    return this.#problemWithPrevious(event, this.#told.ring.historyOf(key)[count - 1]);
  }

  /** What is wrong with a token that stands for these positions. */
  reached(positions: Positions): string | undefined {
    for (const key of this.#keys) {
      const history = this.#told.ring.historyOf(key);
      const [told, covered] = [this.#counts.get(key) ?? 0, this.#covered(key, positions)];
      const missed = told < covered ? history[told] : undefined;
      if (missed !== undefined)
        return `has a token without ${missed.change.kind} ${key} of revision ${missed.revision}`;
      // Of a record, all is told before a token goes beyond it.
      const again = history.slice(covered, told).find(({ record }) => record !== this.#last?.record);
      if (again !== undefined)
        return `has a token before ${again.change.kind} ${key} of revision ${again.revision}, which it was told`;
    }
    return undefined;
  }

  /** Whether it was told everything. */
  isCurrent(): boolean {
    return this.#keys.every((key) => this.#counts.get(key) === this.#told.ring.historyOf(key).length);
  }

  get #keys(): readonly string[] {
    return this.#told.keys.filter((key) => includes(this.#told.scope, key));
  }

  /** How many writes of a key lie before these positions: up to the first that does not. */
  #covered(key: string, { groups, ring }: Positions): number {
    const { logOf, ring: facts } = this.#told;
    const history = facts.historyOf(key);
    const places = [...groups].map(([group, { revision }]) => ({
      group,
      seq: seqAt(logOf(group), Number(revision)),
    }));
    const first = history.findIndex(({ group, record, ringVersion, order }) => {
      const place = places.find((each) => each.group === group);
      if (place !== undefined) return place.seq < record.seq;
      // What it does not name had no keys of that ring; or is told of by what comes next in the log that gave them away.
      const isToCome = places.some((each) => facts.hasReleased(each.group, each.seq, order));
      return ringVersion > Number(ring.version) || isToCome;
    });
    return first < 0 ? history.length : first;
  }

  #problemWithPrevious(
    { type, key, revision, previous }: KvEvent,
    before: Written | undefined,
  ): string | undefined {
    const shown = `is told of ${type} ${key} of revision ${revision} after ${previous?.revision}`;
    if (!this.#told.previous) return previous && `${shown}, which was not to be told`;
    // What was there before a move may be gone from the log, and with it that it was a copy.
    if (previous !== undefined && previous.value === undefined) return undefined;
    const wanted = before?.change.kind === "put" ? before : undefined;
    if (previous?.revision !== wanted?.revision) return `${shown}, not ${wanted?.revision}`;
    if (wanted === undefined || previous?.value === undefined) return undefined;
    return shownValue(wanted.change.value) === shownValue(previous.value)
      ? undefined
      : `${shown} with another value`;
  }
}
