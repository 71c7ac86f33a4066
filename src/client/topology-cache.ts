import { type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { createBackoff } from "../common/backoff.ts";
import { sleep, systemClock } from "../common/clock.ts";
import type { Deadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { type ClusterView, viewOf } from "./topology.ts";

/** What the client knows of the cluster, from one of its routers at a time. */
export interface TopologyCache {
  /** The router that is asked now. */
  readonly router: string;
  /** What is known now; undefined before the first answer. */
  readonly view: ClusterView | undefined;
  /**
   * Resolves with the first result of `look` that is not undefined, now or after a change. Rejects at the deadline, with
   * what is `missing` in the newest view.
   */
  find<T>(
    look: (view: ClusterView) => T | undefined,
    missing: (view: ClusterView) => string,
    deadline: Deadline,
  ): Promise<T>;
  /** Calls `listener` after every change. Returns how to stop that. */
  onChange(listener: (view: ClusterView, before: ClusterView | undefined) => void): () => void;
  /** Says that a router has failed a call: unless that was known, it is left for the next. */
  leave(router: string): void;
}

export interface TopologyCacheOptions {
  /** Their URLs, one at least. */
  readonly routers: readonly string[];
  readonly transportTo: (address: string) => Transport;
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

type RouterClient = Client<typeof RouterService>;

/** Asks nobody before somebody wants to know. */
export function createTopologyCache(options: TopologyCacheOptions): TopologyCache {
  const { routers, transportTo, watch, closing } = options;
  const listeners = new Set<(view: ClusterView, before: ClusterView | undefined) => void>();
  let index = 0;
  let current: ClusterView | undefined;
  let begun = false;
  let trouble: unknown;
  let leaving = new AbortController();

  const router = () => routers[index % routers.length] ?? "";

  function leave(left: string): void {
    if (left !== router()) return;
    index++;
    leaving.abort();
    if (left !== router()) options.onLeft(left);
  }

  function accept(topology: Topology | undefined): void {
    if (topology === undefined) return;
    const before = current;
    current = viewOf(topology, before);
    for (const listener of [...listeners]) listener(current, before);
  }

  async function follow(): Promise<void> {
    const backoff = createBackoff(systemClock, 50, 2_000);
    while (!closing.aborted) {
      const url = router();
      leaving = new AbortController();
      const stay = new AbortController();
      const signal = AbortSignal.any([closing, leaving.signal, stay.signal]);
      const client = createClient(RouterService, transportTo(url));
      const told = (topology: Topology | undefined) => {
        backoff.reset();
        accept(topology);
      };
      try {
        // Whichever fails first ends both.
        await Promise.all([
          askAgainAndAgain(client, watch ? checkMs : pollMs, routers.length > 1, told, signal),
          ...(watch ? [listenTo(client, told, signal)] : []),
        ]);
      } catch (error) {
        trouble = error;
      }
      stay.abort();
      leave(url);
      await backoff.wait(closing);
    }
  }

  function begin(): void {
    if (begun) return;
    begun = true;
    void follow();
  }

  return {
    get router() {
      return router();
    },

    get view() {
      return current;
    },

    find(look, missing, deadline) {
      begin();
      const found = current && look(current);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const onChange = (view: ClusterView) => {
          const result = look(view);
          if (result === undefined) return;
          stop();
          resolve(result);
        };
        const leave = deadline.onEnd((reason) => {
          listeners.delete(onChange);
          if (reason.code !== "deadline") reject(reason);
          else if (current === undefined) reject(unreached(routers, trouble));
          else reject(new KvError("unavailable", missing(current), { cause: reason }));
        });
        const stop = () => {
          listeners.delete(onChange);
          leave();
        };
        if (deadline.ended === undefined) listeners.add(onChange);
      });
    },

    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    leave,
  };
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

/** Never resolves. Where there are others, a router that is out of date is as good as none. */
async function askAgainAndAgain(
  client: RouterClient,
  everyMs: number,
  others: boolean,
  told: (topology: Topology | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const { topology } = await client.getTopology({}, { signal, timeoutMs: answerMs });
    told(topology);
    if (others && (topology?.ageMs ?? 0n) > ageMsMax) throw new Error("the router is out of date");
    await sleep(systemClock, everyMs, signal);
    signal.throwIfAborted();
  }
}

function unreached(routers: readonly string[], trouble: unknown): KvError {
  // A router that has answered so could be reached: it does not know the cluster yet, and says why.
  if (trouble instanceof ConnectError && trouble.isWireError) {
    return new KvError("unavailable", trouble.rawMessage, { cause: trouble });
  }
  const why = trouble instanceof Error ? `: ${trouble.message}` : "";
  return new KvError("unavailable", `no router could be reached (${routers.join(", ")})${why}`, {
    cause: trouble,
  });
}
