import type { WatchRequest } from "../../gen/kvlab/v1/data_pb.ts";
import { durationMs, type Kinds, text, yesOrNo } from "../common/option-kinds.ts";
import type { Cluster } from "./cluster.ts";
import { Deadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { MergedWatch, type WatchSource } from "./merged-watch.ts";
import { type CallOptions, callKinds } from "./options.ts";
import { type Positions, positionsOf, tokenOf } from "./positions.ts";
import { checkKey } from "./requests.ts";
import { RoutedWatch } from "./routed-watch.ts";
import { eventsOf, type KvEvent, type KvProgress } from "./watch-events.ts";

/** What to watch, and from where. `deadlineMs` limits the time until every group has answered once. */
export interface WatchOptions extends CallOptions {
  /** Only this key. Not together with `prefix`. */
  readonly key?: string | undefined;
  /** Only keys that begin with this. */
  readonly prefix?: string | undefined;
  /**
   * Only changes after this token of an event or scan. A token of a watch of one key is only for watches of that key. Default:
   * only changes from now on.
   */
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

export function watchEvents(cluster: Cluster, options: Given): Watch<KvEvent | KvProgress> {
  const scope = scopeOf(options);
  const from = options.after === undefined ? undefined : positionsOf(options.after);
  const lifetime = new Deadline(cluster.deadlines, Number.POSITIVE_INFINITY, options.signal);
  cluster.track(lifetime);
  lifetime.onEnd(() => cluster.forget(lifetime));
  const settings = {
    scope,
    from,
    previous: options.previous ?? false,
    firstAnswerMs: options.deadlineMs,
    outageMs: options.outageMs ?? Number.POSITIVE_INFINITY,
    lifetime,
  };
  const source = cluster.direct ? new MergedWatch(cluster, settings) : new RoutedWatch(cluster, settings);
  const running = told(source, options.progress ?? false);
  return {
    ready: () => source.ready,
    [Symbol.asyncIterator]: () => ({
      next: () => running.next(),
      return: () => {
        // `return` on a generator that has not begun runs none of its code, so the watch is stopped here.
        lifetime.end(new KvError("aborted", "the watch was left"));
        return running.return();
      },
    }),
  };
}

async function* told(
  source: WatchSource,
  progress: boolean,
): AsyncGenerator<KvEvent | KvProgress, void, void> {
  for (;;) {
    const told = await source.take();
    if (told.answer.events.length > 0) yield* eventsOf(told);
    else if (progress) yield progressAt(told.positions);
  }
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
