import type { WatchRequest, WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import { Deadline } from "./deadline.ts";
import { KvError, ofGroup } from "./errors.ts";
import { after, beginning, type Position, type Positions } from "./positions.ts";
import { RendezvousQueue } from "./rendezvous-queue.ts";
import { resumed } from "./resumed.ts";
import { SplitBatch } from "./split-batch.ts";
import { type RingView, type StreamCluster, someGroups } from "./stream-cluster.ts";
import { isOtherCluster } from "./topology.ts";

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

/** A watch of each group, merged as the answers come. It begins at once, and holds one answer of each group. */
export class MergedWatch implements WatchSource {
  readonly #cluster: StreamCluster;
  readonly #settings: WatchSettings;
  readonly #answers = new RendezvousQueue<{ readonly group: string; readonly answer: WatchResponse }>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #followed = new Set<string>();
  /** Groups that have not answered yet. */
  readonly #unanswered = new Set<string>();
  /** Up to where all groups have been told. It moves when an answer is taken, so nothing before it is still on the way. */
  #positions: Positions;
  #isComplete = false;
  #unwatch = () => {};

  constructor(cluster: StreamCluster, settings: WatchSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#positions = settings.from ?? { cluster: "", groups: new Map() };
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
    this.#positions = after(before, group, answer);
    return { group, answer, before, positions: this.#positions };
  }

  #stop(reason: KvError): void {
    this.#unwatch();
    this.#ready.reject(reason);
    this.#answers.fail(reason);
  }

  async #begin(): Promise<void> {
    const { from, lifetime } = this.#settings;
    const names = await this.#groupsNow();
    // It may have ended meanwhile.
    if (lifetime.ended !== undefined) return;
    const clusterId = this.#cluster.view?.clusterId ?? "";
    if (isOtherCluster({ clusterId }, this.#positions.cluster)) throw otherCluster();
    this.#positions = { ...this.#positions, cluster: clusterId || this.#positions.cluster };
    for (const name of names) this.#unanswered.add(name);
    for (const name of names) this.#start(name, from && (from.groups.get(name) ?? beginning));
    this.#unwatch = this.#cluster.onView((view) => {
      if (isOtherCluster(view, this.#positions.cluster)) return lifetime.end(otherCluster());
      // In a group that was not there before, everything is new.
      for (const name of this.#groupsIn(view)) this.#start(name, beginning);
    });
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

  /** Follows a group, unless the watch follows it already. */
  #start(group: string, from: Position | undefined): void {
    if (this.#followed.has(group)) return;
    this.#followed.add(group);
    if (from !== undefined) this.#positions = after(this.#positions, group, from);
    void this.#follow(group, from);
  }

  /** Hands the answers of a group to the reader. */
  async #follow(group: string, from: Position | undefined): Promise<void> {
    let position = from;
    try {
      for await (const answer of this.#answersOf(group, () => position)) {
        position = { revision: answer.revision, epoch: answer.epoch };
        const isFirst = this.#unanswered.delete(group);
        if (isFirst && from === undefined) this.#positions = after(this.#positions, group, position);
        if (this.#unanswered.size === 0) this.#complete();
        // A token needs the position of every group. So no event is delivered before all groups have answered.
        if (this.#settings.from === undefined) await this.#ready.promise;
        await this.#answers.put({ group, answer });
      }
    } catch (reason) {
      this.#settings.lifetime.end(ofGroup(group, reason));
    }
  }

  #complete(): void {
    this.#isComplete = true;
    this.#ready.resolve();
  }

  /** The answers of one group. When the stream breaks, it starts again from `position`. */
  async *#answersOf(group: string, position: () => Position | undefined): AsyncGenerator<WatchResponse> {
    const { scope, previous, firstAnswerMs, outageMs, lifetime } = this.#settings;
    const batch = new SplitBatch();
    const answers = resumed(this.#cluster, {
      server: (due, redirected) => this.#cluster.serverOf(group, due, redirected),
      open: (data, call) => {
        batch.restart();
        const from = position();
        const place = from !== undefined && { afterRevision: from.revision, afterEpoch: from.epoch };
        return data.watch({ group, scope, previous, ...place }, call);
      },
      endless: true,
      firstAnswerMs,
      answerMs: outageMs,
      lifetime,
    });
    for await (const answer of answers) yield batch.withoutDuplicates(answer);
  }
}

function otherCluster(): KvError {
  return new KvError("history-lost", "the routers serve another cluster now, with a history of its own");
}
