import type { WatchRequest, WatchResponse } from "../../gen/kvlab/v1/data_pb.ts";
import type { Cluster } from "./cluster.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { type CallOptions, callKinds } from "./options.ts";
import { durationMs, type Kinds, text, yesOrNo } from "./options-check.ts";
import { type Position, type Positions, positionsOf, tokenOf } from "./positions.ts";
import { createMailbox } from "./rendezvous-queue.ts";
import { checkKey } from "./requests.ts";
import { resumed } from "./resumed.ts";
import { createToldInPart } from "./told-in-part.ts";
import { isOtherCluster } from "./topology.ts";
import { after, eventsOf, type KvEvent, type KvProgress } from "./watch-events.ts";

/** What to watch, and from where. `deadlineMs` is the longest time until all groups have answered first. */
export interface WatchOptions extends CallOptions {
  /** Only this key. Not together with `prefix`. */
  readonly key?: string | undefined;
  /** Only keys that begin with this. */
  readonly prefix?: string | undefined;
  /** Only what comes after this token, of an event or a scan. Default: what comes from now on. */
  readonly after?: string | undefined;
  /** Whether events tell what there was before. */
  readonly previous?: boolean | undefined;
  /** Whether to be told, every few seconds, how far the servers have looked although nothing has happened. */
  readonly progress?: boolean | undefined;
  /** Milliseconds for which a group may be out of reach before the watch fails. Default: any time. */
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
 * Changes, each key's in the order in which they happened; nothing is missed or told twice, over failovers and broken
 * connections. It begins at once, and holds one answer of each group until it is read. Can be iterated once.
 * Errors: KvError; `history-lost` when the servers do not know any more what comes next.
 */
export interface Watch<T> extends AsyncIterable<T> {
  /** Resolves when every change from now on will be told, or, after a token, when all groups have been reached. */
  ready(): Promise<void>;
}

type Scope = WatchRequest["scope"];

/** Before everything. */
const beginning: Position = { revision: 0n, epoch: 0n };

export function watchEvents(
  cluster: Cluster,
  options: WatchOptions & { deadlineMs: number },
): Watch<KvEvent | KvProgress> {
  const scope = scopeOf(options);
  const { outageMs } = options;
  if (outageMs !== undefined && !(outageMs > 0)) {
    throw new KvError("invalid", `outageMs is ${outageMs}; it must be a number of milliseconds above 0`);
  }
  const known = options.after === undefined ? undefined : positionsOf(options.after);
  const lifetime = startDeadline(Number.POSITIVE_INFINITY, options.signal);
  const forget = cluster.track(lifetime);
  const mailbox = createMailbox<{ group: string; answer: WatchResponse }>();
  const gate = Promise.withResolvers<void>();
  // Whoever asks whether it is ready is told; so is whoever reads.
  gate.promise.catch(() => {});
  const followed = new Set<string>();
  const unanswered = new Set<string>();
  let positions: Positions = known ?? { cluster: "", groups: new Map() };
  let unwatch = () => {};

  function stop(reason: KvError): void {
    unwatch();
    forget();
    lifetime.end(reason);
    lifetime.release();
    gate.reject(reason);
    mailbox.fail(reason);
  }

  lifetime.onEnd(stop);

  async function follow(group: string, from: Position | undefined): Promise<void> {
    let position = from;
    try {
      for await (const answer of answersOf(cluster, group, scope, () => position, options, lifetime)) {
        position = { revision: answer.revision, epoch: answer.epoch };
        if (unanswered.delete(group) && from === undefined) positions = after(positions, group, position);
        if (unanswered.size === 0) gate.resolve();
        // A token has to stand for all groups: there is none before all have said where they are.
        if (known === undefined) await gate.promise;
        await mailbox.put({ group, answer });
      }
    } catch (reason) {
      stop(KvError.from(reason));
    }
  }

  async function begin(): Promise<void> {
    const first = startDeadline(options.deadlineMs, options.signal);
    const groupsNow = async () =>
      scope.case === "key" ? [await cluster.groupOf(scope.value, first)] : await cluster.groups(first);
    const names = await lifetime.race(groupsNow()).finally(first.release);
    const { clusterId } = cluster.topology.view ?? { clusterId: "" };
    if (isOtherCluster({ clusterId }, positions.cluster)) throw otherCluster();
    positions = { ...positions, cluster: clusterId || positions.cluster };
    for (const name of names) unanswered.add(name);
    const start = (name: string, from: Position | undefined) => {
      if (followed.has(name)) return;
      followed.add(name);
      if (from !== undefined) positions = after(positions, name, from);
      void follow(name, from);
    };
    for (const name of names)
      start(name, known === undefined ? undefined : (known.groups.get(name) ?? beginning));
    // All that is in a group that was not there before is new.
    unwatch = cluster.topology.onChange((view, before) => {
      if (isOtherCluster(view, before?.clusterId)) return stop(otherCluster());
      const { groups, ring } = view;
      const owner = scope.case === "key" ? ring.owner(scope.value) : undefined;
      for (const name of scope.case === "key" ? (owner ? [owner] : []) : groups.keys())
        start(name, beginning);
    });
  }

  async function* run(): AsyncGenerator<KvEvent | KvProgress, void, void> {
    for (;;) {
      const { group, answer } = await mailbox.take();
      const before = positions;
      positions = after(before, group, answer);
      if (answer.events.length > 0) yield* eventsOf(group, answer, before);
      else if (options.progress) yield progressAt(positions);
    }
  }

  begin().catch((reason) => stop(KvError.from(reason)));
  const running = run();
  const iterator: AsyncIterator<KvEvent | KvProgress, void, void> = {
    next: () => running.next(),
    return() {
      // A generator that has not begun would just not begin.
      stop(left());
      return running.return();
    },
  };
  return { [Symbol.asyncIterator]: () => iterator, ready: () => gate.promise };
}

function otherCluster(): KvError {
  return new KvError("history-lost", "the routers serve another cluster now, with a history of its own");
}

function left(): KvError {
  return new KvError("aborted", "the watch was left");
}

function scopeOf({ key, prefix }: WatchOptions): Scope {
  if (key !== undefined && prefix !== undefined) {
    throw new KvError("invalid", "a watch is of a key or of a prefix, not of both");
  }
  checkKey(key ?? prefix ?? "");
  if (key !== undefined) return { case: "key", value: key };
  return prefix === undefined ? { case: undefined } : { case: "prefix", value: prefix };
}

/** One group's answers, from where they have come to whenever the stream is begun anew. */
function answersOf(
  cluster: Cluster,
  group: string,
  scope: Scope,
  position: () => Position | undefined,
  options: WatchOptions & { deadlineMs: number },
  lifetime: Deadline,
): AsyncGenerator<WatchResponse> {
  const { previous = false } = options;
  const inPart = createToldInPart();
  const answers = resumed(cluster, {
    group,
    open(data, call) {
      inPart.beginAnew();
      const from = position();
      const place = from !== undefined && { afterRevision: from.revision, afterEpoch: from.epoch };
      return data.watch({ group, scope, previous, ...place }, call);
    },
    endless: true,
    firstAnswerMs: options.deadlineMs,
    answerMs: options.outageMs ?? Number.POSITIVE_INFINITY,
    lifetime,
  });
  return mapped(answers, inPart.fresh);
}

async function* mapped<T>(items: AsyncIterable<T>, map: (item: T) => T): AsyncGenerator<T> {
  for await (const item of items) yield map(item);
}

function progressAt(positions: Positions): KvProgress {
  return {
    type: "progress",
    get token() {
      return tokenOf(positions);
    },
  };
}
