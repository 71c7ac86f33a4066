import type { KeysGiven, KeysTaken, WatchRequest, WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import { shownKey } from "../common/shown-key.ts";
import { Deadline } from "./deadline.ts";
import { KvError, ofGroup } from "./errors.ts";
import { type HeldAnswer, HeldAnswers } from "./held-answers.ts";
import { after, type Position, type Positions, unknownRing } from "./positions.ts";
import { RemovedGroups } from "./removed-groups.ts";
import { RendezvousQueue } from "./rendezvous-queue.ts";
import { resumed } from "./resumed.ts";
import { SplitBatch } from "./split-batch.ts";
import { type RingView, ringOf, ringOfKey, type StreamCluster, someGroups } from "./stream-cluster.ts";
import { isOtherCluster } from "./topology.ts";
import { withoutGaps } from "./without-gaps.ts";

export interface WatchSettings {
  readonly scope: WatchRequest["scope"];
  /** Where to begin. Undefined: now. */
  readonly from: Positions | undefined;
  /** Whether events include the value before the change. */
  readonly previous: boolean;
  /** How long it may take until every group has answered once. */
  readonly firstAnswerMs: number;
  /** How long a group may be unreachable later. */
  readonly outageMs: number;
  /** Ends the watch for good. The watch ends it when it fails. */
  readonly lifetime: Deadline;
}

/** Where the watch of a group begins. See `WatchRequest.after_ring_change` and `WatchRequest.from_now`. */
type Start = Position | { readonly ringChange: bigint; readonly fromNow?: boolean };

/** The stream of a group. */
interface Followed {
  /** Of the ring that was known when it began. */
  readonly ringVersion: bigint;
  /** Ends when the group is removed, and with the watch. */
  readonly lifetime: Deadline;
  /** See `WatchResponse.last_revision`. Undefined until it is told. */
  lastRevision: bigint | undefined;
}

/** Changes of one group. */
export interface WatchAnswer {
  readonly group: string;
  readonly answer: WatchResponse;
  /** Up to where all groups had been told before it. */
  readonly before: Positions;
  /** Up to where all groups have been told with it. */
  readonly positions: Positions;
}

/** Where the changes of a watch of all groups come from. */
export interface WatchSource {
  /** Resolves when every group has answered. Rejects when the watch ends before. */
  readonly ready: Promise<void>;
  /** The next answer, from whichever group it is. Errors: KvError. */
  take(): Promise<WatchAnswer>;
}

/**
 * A watch of each group, merged as the answers come. It begins at once, and holds one answer of each group.
 *
 * Keys may change hands meanwhile. Their former group says that it gives them away, and the next one from where on it may
 * have changes of them: these are held until all those of the former group have been taken.
 */
export class MergedWatch implements WatchSource {
  readonly #cluster: StreamCluster;
  readonly #settings: WatchSettings;
  readonly #answers = new RendezvousQueue<{ readonly group: string; readonly answer: WatchResponse }>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #followed = new Map<string, Followed>();
  readonly #removed: RemovedGroups;
  /** Groups that have not answered yet. */
  readonly #unanswered = new Set<string>();
  /** Of a watch from now on that has not begun: which keys each group that has answered had taken by then. */
  readonly #takenBefore = new Map<string, readonly KeysTaken[]>();
  /** Up to where all groups have been told. It moves when an answer is taken, so nothing before it is still on the way. */
  #positions: Positions;
  #isComplete = false;
  readonly #held = new HeldAnswers();
  /** Wait until a group has answered first. */
  readonly #answered = new Map<string, PromiseWithResolvers<void>>();
  #unwatch = () => {};

  constructor(cluster: StreamCluster, settings: WatchSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#removed = new RemovedGroups(() => cluster.view);
    this.#positions = settings.from ?? { cluster: "", ring: unknownRing, groups: new Map() };
    // Those who wait for it, and readers, get the error. Without either, it must not count as unhandled.
    this.#ready.promise.catch(() => {});
    settings.lifetime.onEnd((reason) => this.#stop(reason));
    this.#begin().catch((reason) => settings.lifetime.end(KvError.from(reason)));
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Whether every group has answered. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  async take(): Promise<WatchAnswer> {
    const { group, answer } = await this.#answers.take();
    const before = this.#positions;
    // Also of a group that has left: what a token does not name is taken for one that had no keys since the watch began.
    this.#positions = after(before, group, this.#removed.after(group, before.groups.get(group), answer));
    // There may have been two groups of this name.
    const isOfRemoved = this.#removed.includes(group, answer);
    this.#held.release(
      (held) =>
        held.group === group &&
        this.#isToldBy(held, answer) &&
        this.#removed.isRemovedSince(group, held.ringChange) === isOfRemoved,
    );
    return { group, answer, before, positions: this.#positions };
  }

  #stop(reason: KvError): void {
    this.#unwatch();
    this.#ready.reject(reason);
    this.#answers.fail(reason);
  }

  async #begin(): Promise<void> {
    const { scope, from, lifetime } = this.#settings;
    const key = scope.case === "key" ? scope.value : undefined;
    // Where the groups of other keys were is not known.
    if (from?.key !== undefined && from.key !== key) throw otherKey(from.key);
    const names = await this.#groupsNow();
    // It may have ended meanwhile.
    if (lifetime.ended !== undefined) return;
    const clusterId = this.#cluster.view?.clusterId ?? "";
    if (isOtherCluster({ clusterId }, this.#positions.cluster)) throw otherCluster();
    // It stays: changes that a token has not come to yet may be of groups that later rings do not have.
    const { view } = this.#cluster;
    const { ring } = from ?? { ring: key === undefined ? ringOf(view) : ringOfKey(view, key) };
    const cluster = clusterId || this.#positions.cluster;
    this.#positions = { ...(from ?? { groups: new Map(), key }), cluster, ring };
    // Before the groups are followed: of one that was removed, the history may be lost, which ends the watch at once.
    this.#unwatch = this.#cluster.onView((view) => {
      if (isOtherCluster(view, this.#positions.cluster)) return lifetime.end(otherCluster());
      for (const [name, followed] of this.#followed)
        if (this.#removed.isRemovedSince(name, followed.ringVersion))
          followed.lifetime.end(this.#removed.lost(name));
      // A watch from now on has not begun before all groups have answered: what is in one that is new to it by then is old.
      const fromNow = from === undefined && !this.#isComplete;
      for (const name of this.#groupsIn(view)) this.#start(name, this.#placeOf(name, fromNow));
      if (this.#unanswered.size === 0) this.#complete();
    });
    // A group that the token does not name had none of the keys then. From now on: groups answer at different times.
    const since = { ringChange: ring.change, fromNow: from === undefined };
    for (const name of new Set([...names, ...(from?.groups.keys() ?? [])])) {
      this.#start(name, from?.groups.get(name) ?? since);
    }
  }

  /** The groups of the scope, as soon as they are known. */
  async #groupsNow(): Promise<readonly string[]> {
    const { firstAnswerMs, lifetime } = this.#settings;
    const first = new Deadline(this.#cluster.deadlines, firstAnswerMs);
    const names = async () =>
      await this.#cluster.find({
        look: (view) => (someGroups(view) === undefined ? undefined : this.#groupsIn(view)),
        missing: ({ empty }) => empty,
        deadline: first,
      });
    return await lifetime
      .race(names())
      .finally(() => first.end(new KvError("aborted", "the watch has begun")));
  }

  #groupsIn({ groups, ring }: RingView): readonly string[] {
    const { scope } = this.#settings;
    if (scope.case !== "key") return [...groups.keys()];
    const owner = ring.owner(scope.value);
    return owner === undefined ? [] : [owner];
  }

  /** Where a group is to be followed from that was not there when the watch began, or has left since. */
  #placeOf(group: string, fromNow = false): Start {
    return this.#positions.groups.get(group) ?? { ringChange: this.#positions.ring.change, fromNow };
  }

  /**
   * Follows a group, unless the watch follows it already, or it was removed. `isThere`: whether there is one of this name, in
   * the ring or not.
   */
  #start(group: string, from: Start, isThere = this.#cluster.view?.groups.has(group) ?? false): void {
    if (this.#followed.has(group)) return;
    if ("epoch" in from) this.#positions = after(this.#positions, group, from);
    const isGone = "epoch" in from && this.#removed.includes(group, from);
    if (isGone) this.#checkTold(group);
    // A later group of this name is told from its beginning.
    if (!isGone) this.#open(group, from);
    else if (isThere) this.#open(group, { ringChange: this.#positions.ring.change });
  }

  #open(group: string, from: Start): void {
    const lifetime = new Deadline(this.#cluster.deadlines, Number.POSITIVE_INFINITY);
    const leave = this.#settings.lifetime.onEnd((reason) => lifetime.end(reason));
    const ringVersion = this.#cluster.view?.ringVersion ?? 0n;
    this.#followed.set(group, { lifetime, ringVersion, lastRevision: undefined });
    this.#unanswered.add(group);
    this.#answered.delete(group);
    void this.#follow(group, from, lifetime).finally(leave);
  }

  /** Hands the answers of a group to the reader. `life` ends when the group is removed. */
  async #follow(group: string, from: Start, life: Deadline): Promise<void> {
    const { lifetime } = this.#settings;
    let position = from;
    let earlier: Position | undefined;
    try {
      for await (const answer of this.#answersOf(group, () => position, life)) {
        const { revision, epoch, given, taken } = answer;
        const begun = position;
        position = { revision, epoch };
        const isFromNow = "fromNow" in begun && begun.fromNow;
        if (isFromNow) this.#beginAt(group, taken);
        const followed = this.#followed.get(group);
        if (followed !== undefined) followed.lastRevision = answer.lastRevision ?? followed.lastRevision;
        const isFirst = this.#unanswered.delete(group);
        if (isFirst && !this.#positions.groups.has(group))
          this.#positions = after(this.#positions, group, position);
        if (isFirst) this.#answered.get(group)?.resolve();
        if (this.#unanswered.size === 0) this.#complete();
        // A token needs the position of every group. So no event is delivered before all groups have answered.
        if (this.#settings.from === undefined) await this.#ready.promise;
        const place = this.#positions.groups.get(group);
        if (isFromNow && place !== undefined && place.revision < revision) {
          // The stream from here ends before the next one begins.
          earlier = place;
          break;
        }
        if (given !== undefined) await lifetime.race(this.#given(given));
        for (const other of taken) {
          // What was removed before a watch from now on begins has nothing to tell it.
          if (isFromNow && this.#isGone(other.from, other.ringChange)) continue;
          const isBefore = other.afterRevision !== undefined && "epoch" in begun;
          if (this.#mayComeFirst(other, isBefore)) await lifetime.race(this.#takenUpTo(other, isBefore));
        }
        await this.#answers.put({ group, answer });
        if (answer.hasLeft) return this.#leave(group);
      }
      if (earlier !== undefined) await this.#follow(group, earlier, life);
    } catch (reason) {
      if (life.ended !== undefined && lifetime.ended === undefined) this.#depart(group);
      else lifetime.end(ofGroup(group, reason));
    }
  }

  /**
   * The changes of keys go on in another group. Resolves when that has answered: a token that leaves this place behind must
   * name the other group.
   */
  async #given({ to, ringChange }: KeysGiven): Promise<void> {
    if (this.#isGone(to, ringChange)) return this.#checkTold(to);
    // Also of a single key: the ring may have given it to another group by the time this comes.
    // And it may have got others in a change before this one, of which this place is the first to tell.
    this.#start(to, this.#placeOf(to), true);
    if (!this.#unanswered.has(to)) return;
    const answered = this.#answered.get(to) ?? Promise.withResolvers<void>();
    this.#answered.set(to, answered);
    await answered.promise;
  }

  /**
   * Notes which keys a group had taken where a watch from now on begins. A group that had them is new to this view of the
   * ring, if the change is: it must answer first as well, or it would be told from before its first keys.
   */
  #beginAt(group: string, taken: readonly KeysTaken[]): void {
    this.#takenBefore.set(group, taken);
    for (const { from, ringChange } of taken) {
      const isNew = ringChange > this.#positions.ring.version && !this.#isGone(from, ringChange);
      if (isNew && !this.#isComplete) this.#start(from, this.#placeOf(from, true));
    }
  }

  /**
   * Whether there may be changes in another group that come before those of a stream. Of keys that were taken before its
   * place, only if the watch is not as far there: a token of a scan has seen its groups at different times.
   * So with the ring change that was under way when the watch began: all groups are named that had keys of its scope.
   */
  #mayComeFirst({ from: group, ringChange }: KeysTaken, isBefore: boolean): boolean {
    const isOfRing = ringChange > 0n && ringChange <= this.#positions.ring.version;
    if (!isBefore && !isOfRing) return true;
    const place = this.#positions.groups.get(group);
    if (place === undefined) return false;
    return !(isBefore && this.#removed.isUnseen(group, ringChange, place));
  }

  /** Resolves when the reader has taken all changes of a group up to a revision. */
  async #takenUpTo({ from: group, revision, ringChange }: KeysTaken, isBefore: boolean): Promise<void> {
    if (this.#isGone(group, ringChange)) return this.#checkTold(group, revision);
    const position = this.#positions.groups.get(group);
    const isOld = position !== undefined && this.#removed.includes(group, position);
    const held = { group, revision, ringChange, isBefore };
    if (!isOld && position !== undefined && this.#isToldBy(held, position)) return;
    // A key may have been there for a while between two groups that are followed.
    this.#start(group, this.#placeOf(group), true);
    await this.#held.untilReleased(held);
  }

  /**
   * Whether all that an answer waits for has been told, with a group's changes up to a place. What came before the watch was
   * there when it began, unless it is lost: an operator may have given up the end of the group's log.
   */
  #isToldBy({ group, revision, isBefore }: HeldAnswer, place: Position): boolean {
    const last = isBefore ? this.#followed.get(group)?.lastRevision : undefined;
    return place.revision >= revision || (last !== undefined && place.revision >= last);
  }

  /** Whether the group of a ring change was removed, and what has come of it has been handed on. */
  #isGone(group: string, ringChange: bigint): boolean {
    if (!this.#removed.isRemovedSince(group, ringChange)) return false;
    const followed = this.#followed.get(group);
    return followed === undefined || !this.#removed.isRemovedSince(group, followed.ringVersion);
  }

  /** Ends the watch, unless a removed group was told up to a revision. */
  #checkTold(group: string, revision?: bigint): void {
    const place = this.#positions.groups.get(group);
    // A watch from now on begins when all groups have answered that are there.
    const isBeginning = this.#settings.from === undefined && !this.#isComplete;
    if (isBeginning || this.#removed.isTold(group, place, revision)) return;
    this.#settings.lifetime.end(this.#removed.lost(group));
  }

  /** Follows a group no longer that has no keys any more, and has told everything. */
  #leave(group: string): void {
    const { view } = this.#cluster;
    const since = this.#followed.get(group)?.ringVersion ?? 0n;
    this.#followed.delete(group);
    // It may have come back before the reader came to this, and then there is more of it to wait for. A view that is older
    // than that does not show that it has left.
    if (view?.groups.has(group) && view.ringVersion > since) this.#start(group, this.#placeOf(group));
    else this.#held.release((held) => held.group === group);
  }

  /** Follows a group no longer that was removed. Those that wait for it would wait for ever. */
  #depart(group: string): void {
    this.#followed.delete(group);
    this.#unanswered.delete(group);
    this.#answered.get(group)?.resolve();
    this.#held.release((held) => {
      const isOver = held.group === group && this.#removed.isRemovedSince(group, held.ringChange);
      if (isOver) this.#checkTold(group, held.revision);
      return isOver;
    });
    if (this.#unanswered.size === 0) this.#complete();
    // What still waits for it waits for a later group of this name.
    const isThere = this.#cluster.view?.groups.has(group) || this.#held.isAwaited(group);
    if (isThere) this.#start(group, this.#placeOf(group), true);
  }

  #complete(): void {
    this.#positions = withoutGaps(this.#positions, this.#takenBefore);
    this.#takenBefore.clear();
    this.#isComplete = true;
    this.#ready.resolve();
  }

  /** The answers of one group. When the stream breaks, it starts again from `position`. */
  async *#answersOf(group: string, position: () => Start, lifetime: Deadline): AsyncGenerator<WatchResponse> {
    const { scope, previous, firstAnswerMs, outageMs } = this.#settings;
    const batch = new SplitBatch();
    const answers = resumed(this.#cluster, {
      server: (due, redirected) => this.#cluster.serverOf(group, due, redirected),
      open: (data, call) => {
        batch.restart();
        return data.watch({ group, scope, previous, ...placeOf(position()) }, call);
      },
      endless: true,
      // What a group that comes later takes to answer is an outage like any other.
      firstAnswerMs: this.#isComplete ? outageMs : firstAnswerMs,
      answerMs: outageMs,
      lifetime,
    });
    for await (const answer of answers) yield batch.withoutDuplicates(answer);
  }
}

function placeOf(start: Start) {
  return "epoch" in start
    ? { afterRevision: start.revision, afterEpoch: start.epoch }
    : { afterRingChange: start.ringChange, fromNow: start.fromNow ?? false };
}

function otherKey(key: string): KvError {
  return new KvError(
    "invalid",
    `the token is of a watch of key ${shownKey(key)}: only a watch of that key can go on after it`,
  );
}

function otherCluster(): KvError {
  return new KvError("history-lost", "the routers serve another cluster now, with a history of its own");
}
