import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { createBackoff } from "../common/backoff.ts";
import { type Clock, sleep } from "../common/clock.ts";
import type { Deadline } from "./deadline.ts";
import type { Connections } from "./environment.ts";
import { KvError } from "./errors.ts";
import { type ClusterView, viewOf } from "./topology.ts";

type Listener = (view: ClusterView, before: ClusterView | undefined) => void;

/** What a call needs to know of the cluster before it can go on. */
export interface Search<T> {
  /** Undefined: a later view may have it. */
  readonly look: (view: ClusterView) => T | undefined;
  /** Why there is nothing to be found in a view, in words. */
  readonly missing: (view: ClusterView) => string;
  readonly deadline: Deadline;
}

export interface TopologyCacheOptions {
  /** Their URLs, one at least. */
  readonly routers: readonly string[];
  readonly connections: Connections;
  readonly clock: Clock;
  /** Whether to be told of changes as they happen; otherwise they are asked for. */
  readonly watch: boolean;
  /** Told of a router that is left for another. */
  readonly onLeft: (router: string) => void;
  /** Aborted when the client closes. */
  readonly closing: AbortSignal;
}

/** A router has to answer within this time. */
const answerMs = 3_000;

/** A router that tells changes is asked this often whether it is still there. */
const checkMs = 10_000;

/** A router that does not tell changes is asked for them this often; one that does not answer is so found out. */
const pollMs = 3_000;

/** A router that has been without ZooKeeper for longer than this may not know what others do. */
const ageMsMax = 10_000n;

/** Pauses before the next router is asked. */
const firstPauseMs = 50;
const longestPauseMs = 2_000;

type RouterClient = Client<typeof RouterService>;

/** What the client knows of the cluster, from one of its routers at a time. Asks nobody before somebody wants to know. */
export class TopologyCache {
  readonly #options: TopologyCacheOptions;
  readonly #listeners = new Set<Listener>();
  #index = 0;
  #view: ClusterView | undefined;
  #hasBegun = false;
  /** Why the router that was asked last could not tell. */
  #failure: unknown;
  #leaving = new AbortController();

  constructor(options: TopologyCacheOptions) {
    this.#options = options;
  }

  /** The router that is asked now. */
  get router(): string {
    const { routers } = this.#options;
    return routers[this.#index % routers.length] ?? "";
  }

  /** What is known now; undefined before the first answer. */
  get view(): ClusterView | undefined {
    return this.#view;
  }

  /**
   * Resolves with the first result of `look` that is not undefined, now or after a change. Rejects at the deadline, with
   * what is `missing` in the newest view.
   */
  find<T>({ look, missing, deadline }: Search<T>): Promise<T> {
    this.#begin();
    const found = this.#view && look(this.#view);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const onChange = (view: ClusterView) => {
        const result = look(view);
        if (result === undefined) return;
        this.#listeners.delete(onChange);
        leave();
        resolve(result);
      };
      const leave = deadline.onEnd((reason) => {
        this.#listeners.delete(onChange);
        if (reason.code !== "deadline") reject(reason);
        else if (this.#view === undefined) reject(unreached(this.#options.routers, this.#failure));
        else reject(new KvError("unavailable", missing(this.#view), { cause: reason }));
      });
      if (deadline.ended === undefined) this.#listeners.add(onChange);
    });
  }

  /** Calls `listener` after every change. Returns how to stop that. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Says that a router has failed a call: unless that was known, it is left for the next. */
  leave(router: string): void {
    if (router !== this.router) return;
    this.#index++;
    this.#leaving.abort();
    if (router !== this.router) this.#options.onLeft(router);
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    void this.#follow();
  }

  async #follow(): Promise<void> {
    const { routers, connections, clock, watch, closing } = this.#options;
    const backoff = createBackoff(clock, firstPauseMs, longestPauseMs);
    while (!closing.aborted) {
      const url = this.router;
      this.#leaving = new AbortController();
      const stay = new AbortController();
      const signal = AbortSignal.any([closing, this.#leaving.signal, stay.signal]);
      const client = createClient(RouterService, connections.transportTo(url));
      const told = (topology: Topology | undefined) => {
        backoff.reset();
        this.#accept(topology);
      };
      const everyMs = watch ? checkMs : pollMs;
      try {
        // Whichever fails first ends both.
        await Promise.all([
          askRepeatedly({ client, clock, everyMs, others: routers.length > 1, told, signal }),
          ...(watch ? [listenTo(client, told, signal)] : []),
        ]);
      } catch (error) {
        this.#failure = error;
      }
      stay.abort();
      this.leave(url);
      await backoff.wait(closing);
    }
  }

  #accept(topology: Topology | undefined): void {
    if (topology === undefined) return;
    const before = this.#view;
    const view = viewOf(topology, before);
    this.#view = view;
    for (const listener of [...this.#listeners]) listener(view, before);
  }
}

/** Never resolves. */
async function listenTo(
  client: RouterClient,
  told: (topology: Topology | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  for await (const { topology } of client.watchTopology({}, { signal })) told(topology);
  throw new Error("the router has ended the call");
}

interface Asking {
  readonly client: RouterClient;
  readonly clock: Clock;
  readonly everyMs: number;
  /** Whether there are other routers: then one that is out of date is as good as none. */
  readonly others: boolean;
  readonly told: (topology: Topology | undefined) => void;
  readonly signal: AbortSignal;
}

/** Never resolves. */
async function askRepeatedly({ client, clock, everyMs, others, told, signal }: Asking): Promise<void> {
  for (;;) {
    const { topology } = await client.getTopology({}, { signal, timeoutMs: answerMs });
    told(topology);
    if (others && (topology?.ageMs ?? 0n) > ageMsMax) throw new Error("the router is out of date");
    await sleep(clock, everyMs, signal);
    signal.throwIfAborted();
  }
}

function unreached(routers: readonly string[], failure: unknown): KvError {
  // A router that has answered so could be reached: it does not know the cluster yet, and says why.
  if (failure instanceof ConnectError && failure.isWireError) {
    return new KvError("unavailable", failure.rawMessage, { cause: failure });
  }
  const why = failure instanceof Error ? `: ${failure.message}` : "";
  return new KvError("unavailable", `no router could be reached (${routers.join(", ")})${why}`, {
    cause: failure,
  });
}
