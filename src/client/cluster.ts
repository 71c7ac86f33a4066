import type { Clock } from "../common/clock.ts";
import { Deadlines } from "../common/deadlines.ts";
import type { Deadline } from "./deadline.ts";
import type { Connections, Environment } from "./environment.ts";
import { KvError } from "./errors.ts";
import { RequestNames } from "./request-names.ts";
import { type ServerLink, Servers } from "./servers.ts";
import type { RingSearch, StreamCluster } from "./stream-cluster.ts";
import { type ClusterView, isOtherCluster } from "./topology.ts";
import { TopologyCache } from "./topology-cache.ts";

export interface ClusterOptions {
  readonly environment: Environment;
  readonly routers: readonly string[];
  readonly direct: boolean;
  readonly operationsInFlightMax: number;
  readonly bytesInFlightMax: number;
}

/** The state that all calls of one client share. */
export class Cluster implements StreamCluster {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly topology: TopologyCache;
  readonly names: RequestNames;
  /** Whether calls go straight to the servers of the data. */
  readonly direct: boolean;
  readonly #connections: Connections;
  readonly #servers: Servers;
  /** The last primary of each group, also while it has none. */
  readonly #primaries = new Map<string, string>();
  readonly #closing = new AbortController();
  readonly #tracked = new Set<Deadline>();

  constructor({ environment, routers, direct, ...limits }: ClusterOptions) {
    const { clock } = environment;
    this.clock = clock;
    this.deadlines = new Deadlines(clock);
    this.names = new RequestNames((count) => environment.randomBytes(count));
    this.direct = direct;
    this.#connections = environment.connect();
    this.#servers = new Servers({
      connections: this.#connections,
      limits: { operationsMax: limits.operationsInFlightMax, bytesMax: limits.bytesInFlightMax },
      clock,
    });
    this.topology = new TopologyCache({
      routers,
      connections: this.#connections,
      clock,
      watch: direct,
      onLeft: (router) => {
        if (!direct) this.#servers.replaced(router);
      },
      closing: this.#closing.signal,
    });
    this.topology.onChange((view, before) => {
      if (direct) this.#retireReplaced(view);
      if (isOtherCluster(view, before?.clusterId)) this.names.forget();
    });
  }

  /** Ends the deadline when the client closes, until `forget`. */
  track(deadline: Deadline): void {
    if (this.#closing.signal.aborted) deadline.end(closed());
    this.#tracked.add(deadline);
  }

  forget(deadline: Deadline): void {
    this.#tracked.delete(deadline);
  }

  get view(): ClusterView | undefined {
    return this.topology.view;
  }

  find<T>(search: RingSearch<T>): T | Promise<T> {
    return this.topology.find(search);
  }

  onView(listener: (view: ClusterView) => void): () => void {
    return this.topology.onChange(listener);
  }

  /** The group of a key. */
  groupOf(key: string, deadline: Deadline): string | Promise<string> {
    // Nearly always known: then nothing is made for the search.
    const known = this.view?.ring.owner(key);
    if (known !== undefined) return known;
    return this.topology.find({
      look: ({ ring }) => ring.owner(key),
      missing: ({ empty }) => empty,
      deadline,
    });
  }

  /**
   * The server to send a call for `group` to: a router, or the group's primary. Waits while the group has none.
   * `redirected`: the address from another server's redirect. Errors: KvError `unavailable`, `closed`.
   */
  serverOf(group: string, deadline: Deadline, redirected?: string): ServerLink | Promise<ServerLink> {
    if (!this.direct) return this.routerLink();
    if (redirected !== undefined) return this.#serverAt(redirected);
    const known = this.view && primaryOf(this.view, group);
    if (known !== undefined) return this.#serverAt(known);
    const address = this.topology.find({
      look: (view) => primaryOf(view, group),
      missing: ({ groups }) => groups.get(group)?.unavailable || `group "${group}" has no primary now`,
      deadline,
    });
    return typeof address === "string"
      ? this.#serverAt(address)
      : address.then((found) => this.#serverAt(found));
  }

  /** The router that the client uses now. Errors: KvError `closed`. */
  routerLink(): ServerLink {
    return this.#serverAt(this.topology.router);
  }

  /** Notes that an attempt at this server failed without an answer from it. */
  failed(server: ServerLink): void {
    if (!this.direct) this.topology.leave(server.address);
  }

  close(): void {
    this.#closing.abort();
    for (const deadline of [...this.#tracked]) deadline.end(closed());
    this.#tracked.clear();
    this.#servers.close();
    this.#connections.close();
  }

  /** A server of a closed client would be connected to for nothing, and nobody would end the link. */
  #serverAt(address: string): ServerLink {
    if (this.#closing.signal.aborted) throw closed();
    return this.#servers.at(address);
  }

  /** A primary that was replaced may be paused or cut off: its calls are given up after a moment. */
  #retireReplaced({ groups, outside }: ClusterView): void {
    for (const { name, primary } of [...groups.values(), ...outside.values()]) {
      if (primary === undefined) continue;
      const last = this.#primaries.get(name);
      this.#primaries.set(name, primary);
      if (last !== undefined && last !== primary) this.#servers.replaced(last);
    }
  }
}

function closed(): KvError {
  return new KvError("closed", "the client is closed");
}

function primaryOf({ groups, outside }: ClusterView, group: string): string | undefined {
  return (groups.get(group) ?? outside.get(group))?.primary;
}
