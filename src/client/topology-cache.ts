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

/** What a call needs from the topology before it can continue. */
export interface Search<T> {
  /** The result. Undefined: wait for a later view. */
  readonly look: (view: ClusterView) => T | undefined;
  /** Why a view has no result, in words. */
  readonly missing: (view: ClusterView) => string;
  readonly deadline: Deadline;
}

export interface TopologyCacheOptions {
  /** URLs. At least one. */
  readonly routers: readonly string[];
  readonly connections: Connections;
  readonly clock: Clock;
  /** Whether to watch for changes. Otherwise the client polls. */
  readonly watch: boolean;
  /** Called when the client has left a router for another, which must know more if the one that was left still answers. */
  readonly onLeft: (router: string) => void;
  /** Aborted when the client closes. */
  readonly closing: AbortSignal;
}

/** How long a router may take to answer. */
const answerMs = 3_000;

/** How often to check that a watched router still responds. */
const checkMs = 10_000;

/** How often to poll a router that is not watched, for changes and to check that it responds. */
const pollMs = 3_000;

/** A router that lost ZooKeeper longer ago than this may know less than others. */
const ageMsMax = 10_000n;

/** Pauses before the next router is asked. */
const firstPauseMs = 50;
const longestPauseMs = 2_000;

type RouterClient = Client<typeof RouterService>;

const outOfDate = new Error("the router is out of date");

/** What the client knows about the cluster, from one router at a time. Sends nothing before the first call needs it. */
export class TopologyCache {
  readonly #options: TopologyCacheOptions;
  readonly #listeners = new Set<Listener>();
  #index = 0;
  #view: ClusterView | undefined;
  #hasBegun = false;
  /** Why the last router could not answer. */
  #failure: unknown;
  /** Routers that were left because they are out of date, as long as no other is known to be better. */
  readonly #outOfDate = new Set<string>();
  #leaving = new AbortController();

  constructor(options: TopologyCacheOptions) {
    this.#options = options;
  }

  /** The current router. */
  get router(): string {
    const { routers } = this.#options;
    return routers[this.#index % routers.length] ?? "";
  }

  /** The current view. Undefined before the first answer. */
  get view(): ClusterView | undefined {
    return this.#view;
  }

  /**
   * The first defined result of `look`, at once or after a change. Rejects when the deadline ends, with what is `missing`
   * in the latest view.
   */
  find<T>({ look, missing, deadline }: Search<T>): T | Promise<T> {
    this.#begin();
    const found = this.#view && look(this.#view);
    if (found !== undefined) return found;
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

  /** Calls `listener` after every change. Returns a function that removes the listener. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Notes that a router failed a call. If it is the current one, the client moves to the next. */
  leave(router: string): void {
    if (router !== this.router) return;
    this.#index++;
    this.#leaving.abort();
    if (router !== this.router && !this.#outOfDate.has(router)) this.#options.onLeft(router);
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
      this.#outOfDate.delete(url);
      this.#leaving = new AbortController();
      const stay = new AbortController();
      const signal = AbortSignal.any([closing, this.#leaving.signal, stay.signal]);
      const client = createClient(RouterService, connections.transportTo(url));
      const told = (topology: Topology | undefined) => {
        this.#accept(topology);
        if (isOutOfDate(topology)) return;
        backoff.reset();
        for (const router of this.#outOfDate) this.#options.onLeft(router);
        this.#outOfDate.clear();
      };
      const everyMs = watch ? checkMs : pollMs;
      try {
        // The first one to fail ends both.
        await Promise.all([
          askRepeatedly({ client, clock, everyMs, others: routers.length > 1, told, signal }),
          ...(watch ? [listenTo(client, told, signal)] : []),
        ]);
      } catch (error) {
        this.#failure = error;
        if (error === outOfDate) this.#outOfDate.add(url);
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
  /** Whether there are other routers. Then a router that is out of date is left. */
  readonly others: boolean;
  readonly told: (topology: Topology | undefined) => void;
  readonly signal: AbortSignal;
}

/** Never resolves. */
async function askRepeatedly({ client, clock, everyMs, others, told, signal }: Asking): Promise<void> {
  for (;;) {
    const { topology } = await client.getTopology({}, { signal, timeoutMs: answerMs });
    told(topology);
    if (others && isOutOfDate(topology)) throw outOfDate;
    await sleep(clock, everyMs, signal);
    signal.throwIfAborted();
  }
}

function isOutOfDate(topology: Topology | undefined): boolean {
  return (topology?.ageMs ?? 0n) > ageMsMax;
}

function unreached(routers: readonly string[], failure: unknown): KvError {
  // The router answered, so it could be reached. It does not know the cluster yet, and says why.
  if (failure instanceof ConnectError && failure.isWireError) {
    return new KvError("unavailable", failure.rawMessage, { cause: failure });
  }
  const why = failure instanceof Error ? `: ${failure.message}` : "";
  return new KvError("unavailable", `no router could be reached (${routers.join(", ")})${why}`, {
    cause: failure,
  });
}
