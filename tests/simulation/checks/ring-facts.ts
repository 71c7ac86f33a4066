import { formatRingState } from "../../../src/cluster/metadata/codec.ts";
import type { RingState } from "../../../src/cluster/metadata/model.ts";
import { isSameMove, type Move } from "../../../src/cluster/ring/changing-ring.ts";
import { placementOf } from "../../../src/cluster/ring/placement.ts";
import { moved } from "../../../src/cluster/ring/ring-change.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import type { Change, LogRecord } from "../../../src/cluster/storage/model.ts";
import { isOwn } from "./revisions.ts";

/** A value of a key, as a log has it. */
interface Held {
  /** In this log. */
  readonly seq: number;
  /** In the group that has put it, and wherever it is copied to. */
  readonly revision: number;
  readonly change: Change;
}

/** A write of a key, in the group that has taken it. */
export interface Written {
  readonly group: string;
  readonly record: LogRecord;
  readonly revision: number;
  readonly change: Change;
  /** Of the ring when it was committed. */
  readonly ringVersion: number;
  /** Rises with every record of any group. */
  readonly order: number;
}

/** What the committed log of one group has. */
interface GroupKeys {
  readonly held: Map<string, Held>;
  /** By ring change and the other group. */
  readonly released: Set<string>;
  readonly accepted: Set<string>;
  /** The highest revision that the group has given, or that keys may have which it has accepted. */
  revision: number;
  readonly releases: { readonly seq: number; readonly order: number }[];
}

/** A request, and where it was carried out. */
type Request = Pick<Written, "group" | "record" | "revision">;

/**
 * All keys, wherever they are, by what is committed and by what `/ring` says, of a cluster whose ring changes. Each
 * function returns what is wrong; undefined if nothing is.
 */
export class RingFacts {
  /** What `/ring` has now. */
  ring: RingState | undefined;
  /** All that it had, by version. */
  readonly rings = new Map<number, RingState>();
  /** The move that was worked on last. */
  lastMove: Move | undefined;
  movesEnded = 0;
  /** Whether every record is known, and none was given up: otherwise little can be said of keys that moved. */
  isExact = true;
  readonly #keys: readonly string[];
  readonly #groups = new Map<string, GroupKeys>();
  readonly #writes = new Map<string, Written>();
  /** By key. */
  readonly #histories = new Map<string, Written[]>();
  /** By key, the last write that is committed, and what it has left. */
  readonly #last = new Map<string, { readonly revision: number; readonly held: Held | undefined }>();
  readonly #requests = new Map<string, Request>();
  #order = 0;

  /** `keys`: all that are used. */
  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  /** The committed write that gave a key this revision, in whatever group. */
  writeOf(key: string, revision: number): Written | undefined {
    return this.#writes.get(nameOf(key, revision));
  }

  /** All writes of a key that are committed, in their order. */
  historyOf(key: string): readonly Written[] {
    return this.#histories.get(key) ?? [];
  }

  /** Whether a group has given keys away by a record after `seq`, before something else has happened. */
  hasReleased(group: string, seq: number, order: number): boolean {
    return this.#groupOf(group).releases.some((release) => release.seq > seq && release.order < order);
  }

  ownerOf(key: string): string | undefined {
    return this.ring && placementOf(this.ring).owner(key);
  }

  /** What is left of a key by all that is committed. */
  revisionOf(key: string): number {
    return this.#last.get(key)?.held?.revision ?? 0;
  }

  /** `/ring` has changed. `storeOf`: the open log of a group's primary. */
  changed(next: RingState, storeOf: (group: string) => LogStore | undefined): string | undefined {
    const before = this.ring;
    this.ring = next;
    this.rings.set(next.version, next);
    if (before === undefined) return undefined;
    if (next.version !== before.version + 1)
      return `the ring's version goes from ${before.version} to ${next.version}`;
    // Before the first write there is nothing to move.
    if (!before.written) return undefined;
    const done = before.change && doneBy(before, next);
    const [present, future] = [placementOf(before), placementOf(next)];
    for (const key of this.#keys) {
      const [from, to] = [present.owner(key), future.owner(key)];
      if (from === to || (from !== undefined && to !== undefined && done && isSameMove(done, { from, to })))
        continue;
      return `${key} goes from ${from} to ${to} with version ${next.version} of the ring, by no move that has ended`;
    }
    if (done === undefined || before.change === undefined) return undefined;
    this.lastMove = done;
    this.movesEnded++;
    return this.isExact
      ? this.#problemWithMoved(before, done, before.change.id, storeOf(done.to))
      : undefined;
  }

  /** A primary is the first to take a record of its group for committed. `revision`: of its keys. */
  committed(group: string, record: LogRecord, revision: number): string | undefined {
    const { changes, move, requestId, seq } = record;
    const { held, released, accepted, releases } = this.#groupOf(group);
    let problem = this.#problemWithOwner(group, record) ?? this.#problemWithCopy(group, record);
    const order = ++this.#order;
    if (move?.kind === "release") {
      released.add(nameOf(move.to, move.change));
      releases.push({ seq, order });
    }
    if (move?.kind === "accept") accepted.add(nameOf(move.from, move.change));
    for (const change of changes) {
      const { key, kind } = change;
      const before = held.get(key);
      const after = kind === "put" ? { seq, revision, change } : undefined;
      if (after === undefined) held.delete(key);
      else held.set(key, after);
      if (!isOwn(record)) continue;
      const last = this.#last.get(key);
      const shown = `group ${group} commits ${kind} ${key} with revision ${revision}`;
      if (last !== undefined && revision <= last.revision) problem ??= `${shown}, after ${last.revision}`;
      if ((last?.held?.revision ?? 0) !== (before?.revision ?? 0))
        problem ??= `${shown} over revision ${before?.revision ?? 0}, and ${last?.held?.revision ?? 0} was the last`;
      this.#last.set(key, { revision, held: after });
      const written = { group, record, revision, change, ringVersion: this.ring?.version ?? 0, order };
      this.#writes.set(nameOf(key, revision), written);
      const history = this.#histories.get(key);
      if (history === undefined) this.#histories.set(key, [written]);
      else history.push(written);
    }
    if (requestId !== undefined && isOwn(record)) {
      const earlier = this.#requests.get(requestId);
      if (earlier !== undefined)
        problem ??= `request ${requestId} was carried out twice: in ${earlier.group} with revision ${earlier.revision}, and in ${group} with ${revision}`;
      this.#requests.set(requestId, { group, record, revision });
    }
    problem ??= this.#problemWithRevision(group, record, revision);
    return this.isExact ? problem : undefined;
  }

  /** A source gives these copies to a group: of what is committed, already now. */
  giving(to: string, copies: readonly LogRecord[]): string | undefined {
    if (!this.isExact) return undefined;
    for (const copy of copies) {
      const problem = this.#problemWithCopy(to, copy);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** A primary shows a client a key: no two groups may at once. */
  reading(group: string, key: string): string | undefined {
    if (this.ring?.written !== true) return undefined;
    const owner = this.ownerOf(key);
    return owner === group ? undefined : `shows ${key}, which the ring gives to group ${owner}`;
  }

  /** What a scan has shown of a group, by the ring of this version, that began when its log was as in `live`. */
  scanned(
    group: string,
    version: number,
    live: Iterable<string>,
    shown: ReadonlySet<string>,
  ): string | undefined {
    const ring = this.rings.get(version);
    if (ring === undefined) return `goes by version ${version} of the ring, which there has never been`;
    if (!ring.written) return undefined;
    const placement = placementOf(ring);
    const wanted = new Set([...live].filter((key) => placement.owner(key) === group));
    const missing = [...wanted].find((key) => !shown.has(key));
    if (missing !== undefined) return `by version ${version} of the ring does not show ${missing}`;
    const extra = [...shown].find((key) => placement.owner(key) !== group);
    return extra && `by version ${version} of the ring shows ${extra}, which is not of the group`;
  }

  /**
   * What an open log of a group has at the end that it should not have, or has not. Copies may be there while a change is
   * paused.
   */
  problemWithPlace(group: string, store: LogStore): string | undefined {
    if (this.ring === undefined || !this.isExact) return undefined;
    const placement = placementOf(this.ring);
    for (const key of this.#keys) {
      const revision = store.pendingFacts(key)?.revision ?? 0;
      const isHere = placement.owner(key) === group;
      if (isHere && revision !== this.revisionOf(key))
        return `has ${key} of revision ${revision}, and it is ${this.revisionOf(key)}`;
      if (!isHere && revision > 0 && placement.moveOf(key)?.to !== group)
        return `has ${key}, which the ring gives to group ${placement.owner(key)}`;
    }
    return undefined;
  }

  /** A group writes the keys that the ring gives it, and forgets no others. */
  #problemWithOwner(group: string, record: LogRecord): string | undefined {
    if (this.ring?.written !== true) return undefined;
    const isForgotten = record.move?.kind === "forget";
    if (!isOwn(record) && !isForgotten) return undefined;
    for (const { kind, key } of record.changes) {
      const owner = this.ownerOf(key);
      if ((owner === group) !== isForgotten) continue;
      const shown = isForgotten ? `forgets ${key}` : `commits ${kind} ${key}`;
      return `group ${group} ${shown} by record ${record.seq}, and the ring gives the key to ${owner}`;
    }
    return undefined;
  }

  /** A group gives each revision once, and none that its keys may have had before they came. */
  #problemWithRevision(
    group: string,
    { seq, move, changes }: LogRecord,
    revision: number,
  ): string | undefined {
    const facts = this.#groupOf(group);
    const before = facts.revision;
    if (move?.kind === "accept") facts.revision = Math.max(before, move.revision);
    if (move !== undefined || changes.length === 0) return undefined;
    facts.revision = Math.max(before, revision);
    if (revision > before) return undefined;
    return `group ${group} gives revision ${revision} to record ${seq}, and ${before} was given before or came with keys`;
  }

  #problemWithCopy(group: string, { move, changes }: LogRecord): string | undefined {
    if (move?.kind !== "copy") return undefined;
    for (const change of changes) {
      const written = this.writeOf(change.key, move.revision);
      const shown = `group ${group} copies ${change.kind} ${change.key} of revision ${move.revision}`;
      if (written === undefined) return `${shown}, which is not committed anywhere`;
      const own = written.record.changes.find(({ key }) => key === change.key);
      if (own === undefined || !isCopyOf(change, own))
        return `${shown} as another than it is in ${written.group}`;
    }
    return undefined;
  }

  /** A move has ended: the destination has all that the source had, in the log of all its members. */
  #problemWithMoved(
    ring: RingState,
    move: Move,
    id: number,
    store: LogStore | undefined,
  ): string | undefined {
    const shown = `the move from ${move.from} to ${move.to} of ring change ${id} has ended`;
    const [from, to] = [this.#groupOf(move.from), this.#groupOf(move.to)];
    if (!from.released.has(nameOf(move.to, id)))
      return `${shown}, and ${move.from} has not released the keys`;
    if (!to.accepted.has(nameOf(move.from, id))) return `${shown}, and ${move.to} has not accepted the keys`;
    const placement = placementOf(ring);
    const keys = this.#keys.filter((key) => {
      const other = placement.moveOf(key);
      return other !== undefined && isSameMove(other, move);
    });
    for (const key of keys) {
      const [given, got, last] = [from.held.get(key), to.held.get(key), this.#last.get(key)?.held];
      const revisions = `${key} of revision ${got?.revision ?? 0}, and the source has ${given?.revision ?? 0}`;
      if (given?.revision !== got?.revision) return `${shown}, and the destination has ${revisions}`;
      if (given?.revision !== last?.revision) return `${shown}, and ${key} is not as it was written last`;
      if (given !== undefined && got !== undefined && !isCopyOf(got.change, given.change))
        return `${shown}, and ${key} is another`;
    }
    if (store === undefined) return undefined;
    for (const [id, { record, revision }] of this.#requests) {
      if (!record.changes.some(({ key }) => keys.includes(key))) continue;
      const known = store.requestOf(id);
      if (known === undefined ? store.requestsAfter >= revision : known.revision === revision) continue;
      const how =
        known === undefined
          ? `is not known there, after ${store.requestsAfter}`
          : `has ${known.revision} there`;
      return `${shown}, and request ${id} of revision ${revision} (${record.changes.map(({ kind, key }) => `${kind} ${key}`).join(", ")}) ${how}`;
    }
    return undefined;
  }

  #groupOf(name: string): GroupKeys {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { held: new Map(), released: new Set(), accepted: new Set(), revision: 0, releases: [] };
      this.#groups.set(name, group);
    }
    return group;
  }
}

/** The move that ends with a change of the ring. */
function doneBy(before: RingState, next: RingState): Move | undefined {
  const { change } = before;
  if (change === undefined) return undefined;
  const written = textOf(next);
  return placementOf(before)
    .moves()
    .find((move) => textOf(moved(before, move, change.id)) === written);
}

function textOf(ring: RingState): string {
  return new TextDecoder().decode(formatRingState(ring));
}

/** Whether a change is a copy of another, of which it is no matter how it ended a key. */
function isCopyOf(copy: Change, of: Change): boolean {
  if (copy.kind !== "put" || of.kind !== "put") return copy.kind !== "put" && of.kind !== "put";
  return (
    copy.expiresMs === of.expiresMs && copy.text === of.text && Buffer.compare(copy.value, of.value) === 0
  );
}

function nameOf(what: string, number: number): string {
  return `${number} ${what}`;
}
