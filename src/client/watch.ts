import type { WatchRequest, WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import type { Cluster } from "./cluster.ts";
import { Deadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { type CallOptions, callKinds } from "./options.ts";
import { durationMs, type Kinds, text, yesOrNo } from "./options-check.ts";
import { type Position, type Positions, positionsOf, tokenOf } from "./positions.ts";
import { RendezvousQueue } from "./rendezvous-queue.ts";
import { checkKey } from "./requests.ts";
import { resumed } from "./resumed.ts";
import { SplitBatch } from "./split-batch.ts";
import { type ClusterView, isOtherCluster } from "./topology.ts";
import { after, eventsOf, type KvEvent, type KvProgress } from "./watch-events.ts";

/** What to watch, and from where. `deadlineMs` limits the time until every group has answered once. */
export interface WatchOptions extends CallOptions {
  /** Only this key. Not together with `prefix`. */
  readonly key?: string | undefined;
  /** Only keys that begin with this. */
  readonly prefix?: string | undefined;
  /** Only changes after this token of an event or scan. Default: only changes from now on. */
  readonly after?: string | undefined;
  /** Whether events include the value before the change. */
  readonly previous?: boolean | undefined;
  /** Whether to report progress every few seconds when there are no changes. */
  readonly progress?: boolean | undefined;
  /** Milliseconds for which a group may be unreachable before the watch fails. Default: no limit. */
  readonly outageMs?: number | undefined;
}

export const watchKinds: Kinds<WatchOptions> = {
  ...callKinds,
  key: text,
  prefix: text,
  after: text,
  previous: yesOrNo,
  progress: yesOrNo,
  outageMs: durationMs,
};

/**
 * Changes of keys, in order for each key. Nothing is missed or repeated, even after failovers and broken connections. The
 * watch begins at once, and buffers one answer of each group until it is read. Can be iterated once.
 * Errors: KvError, with `history-lost` when the servers no longer have the next changes.
 */
export interface Watch<T> extends AsyncIterable<T> {
  /** Resolves when the watch will get every change from now on. After a token: when all groups have answered. */
  ready(): Promise<void>;
}

type Scope = WatchRequest["scope"];

/** The options of the call, with its deadline. */
type Given = WatchOptions & { readonly deadlineMs: number };

/** Before the first change. */
const beginning: Position = { revision: 0n, epoch: 0n };

export function watchEvents(cluster: Cluster, options: Given): Watch<KvEvent | KvProgress> {
  return new GroupsWatch(cluster, options);
}

/** A watch of the keys of all groups: a stream from each, merged as the answers come. */
class GroupsWatch implements Watch<KvEvent | KvProgress> {
  readonly #cluster: Cluster;
  readonly #options: Given;
  readonly #scope: Scope;
  /** Where to begin. Undefined: now. */
  readonly #from: Positions | undefined;
  readonly #lifetime: Deadline;
  readonly #answers = new RendezvousQueue<{ readonly group: string; readonly answer: WatchResponse }>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #followed = new Set<string>();
  /** Groups that have not answered yet. */
  readonly #unanswered = new Set<string>();
  readonly #running: AsyncGenerator<KvEvent | KvProgress, void, void>;
  /** The positions up to which the reader has everything. */
  #positions: Positions;
  #unwatch = () => {};

  constructor(cluster: Cluster, options: Given) {
    this.#cluster = cluster;
    this.#options = options;
    this.#scope = scopeOf(options);
    this.#from = options.after === undefined ? undefined : positionsOf(options.after);
    this.#positions = this.#from ?? { cluster: "", groups: new Map() };
    // Callers of `ready` and readers get the error. Without either, it must not count as unhandled.
    this.#ready.promise.catch(() => {});
    this.#lifetime = new Deadline(cluster.deadlines, Number.POSITIVE_INFINITY, options.signal);
    cluster.track(this.#lifetime);
    this.#lifetime.onEnd((reason) => this.#stop(reason));
    this.#running = this.#run();
    this.#begin().catch((reason) => this.#stop(KvError.from(reason)));
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  [Symbol.asyncIterator](): AsyncIterator<KvEvent | KvProgress, void, void> {
    return {
      next: () => this.#running.next(),
      return: () => {
        // `return` on a generator that has not begun runs none of its code, so the watch is stopped here.
        this.#stop(new KvError("aborted", "the watch was left"));
        return this.#running.return();
      },
    };
  }

  #stop(reason: KvError): void {
    this.#unwatch();
    this.#cluster.forget(this.#lifetime);
    this.#lifetime.end(reason);
    this.#lifetime.release();
    this.#ready.reject(reason);
    this.#answers.fail(reason);
  }

  async #begin(): Promise<void> {
    const { topology } = this.#cluster;
    const names = await this.#groupsNow();
    const clusterId = topology.view?.clusterId ?? "";
    if (isOtherCluster({ clusterId }, this.#positions.cluster)) throw otherCluster();
    this.#positions = { ...this.#positions, cluster: clusterId || this.#positions.cluster };
    for (const name of names) this.#unanswered.add(name);
    for (const name of names) this.#start(name, this.#from && (this.#from.groups.get(name) ?? beginning));
    this.#unwatch = topology.onChange((view, before) => {
      if (isOtherCluster(view, before?.clusterId)) return this.#stop(otherCluster());
      // In a group that was not there before, everything is new.
      for (const name of this.#groupsIn(view)) this.#start(name, beginning);
    });
  }

  /** The groups of the scope, as soon as they are known. */
  async #groupsNow(): Promise<string[]> {
    const scope = this.#scope;
    const first = new Deadline(this.#cluster.deadlines, this.#options.deadlineMs, this.#options.signal);
    const names = async () =>
      scope.case === "key"
        ? [await this.#cluster.groupOf(scope.value, first)]
        : await this.#cluster.groups(first);
    return await this.#lifetime.race(names()).finally(() => first.release());
  }

  #groupsIn({ groups, ring }: ClusterView): Iterable<string> {
    if (this.#scope.case !== "key") return groups.keys();
    const owner = ring.owner(this.#scope.value);
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
        if (this.#unanswered.size === 0) this.#ready.resolve();
        // A token needs the position of every group. So no event is delivered before all groups have answered.
        if (this.#from === undefined) await this.#ready.promise;
        await this.#answers.put({ group, answer });
      }
    } catch (reason) {
      this.#stop(KvError.from(reason));
    }
  }

  /** The answers of one group. When the stream breaks, it starts again from `position`. */
  async *#answersOf(group: string, position: () => Position | undefined): AsyncGenerator<WatchResponse> {
    const { previous = false, deadlineMs, outageMs = Number.POSITIVE_INFINITY } = this.#options;
    const batch = new SplitBatch();
    const answers = resumed(this.#cluster, {
      group,
      open: (data, call) => {
        batch.restart();
        const from = position();
        const place = from !== undefined && { afterRevision: from.revision, afterEpoch: from.epoch };
        return data.watch({ group, scope: this.#scope, previous, ...place }, call);
      },
      endless: true,
      firstAnswerMs: deadlineMs,
      answerMs: outageMs,
      lifetime: this.#lifetime,
    });
    for await (const answer of answers) yield batch.withoutDuplicates(answer);
  }

  async *#run(): AsyncGenerator<KvEvent | KvProgress, void, void> {
    for (;;) {
      const { group, answer } = await this.#answers.take();
      const before = this.#positions;
      this.#positions = after(before, group, answer);
      if (answer.events.length > 0) yield* eventsOf(group, answer, before);
      else if (this.#options.progress) yield progressAt(this.#positions);
    }
  }
}

function otherCluster(): KvError {
  return new KvError("history-lost", "the routers serve another cluster now, with a history of its own");
}

function scopeOf({ key, prefix }: WatchOptions): Scope {
  if (key !== undefined && prefix !== undefined) {
    throw new KvError("invalid", "a watch is of a key or of a prefix, not of both");
  }
  checkKey(key ?? prefix ?? "");
  if (key !== undefined) return { case: "key", value: key };
  return prefix === undefined ? { case: undefined } : { case: "prefix", value: prefix };
}

function progressAt(positions: Positions): KvProgress {
  return {
    type: "progress",
    get token() {
      return tokenOf(positions);
    },
  };
}
