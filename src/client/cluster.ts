import { createTransports, fullDuplex } from "#transport";
import { messageBytesLimit } from "../common/key-limits.ts";
import type { Deadline } from "./deadline.ts";
import { KvError } from "./errors.ts";
import { createRequestNames, type RequestNames } from "./request-names.ts";
import { createServers, type ServerLink } from "./servers.ts";
import { type ClusterView, isOtherCluster } from "./topology.ts";
import { createTopologyCache, type TopologyCache } from "./topology-cache.ts";

/** What all calls of one client share. */
export interface Cluster {
  readonly topology: TopologyCache;
  readonly names: RequestNames;
  /** Ends this when the client closes. Returns how to forget it. */
  track(deadline: Deadline): () => void;
  /** All groups, by name; there is one at least. */
  groups(deadline: Deadline): Promise<string[]>;
  /** The group of a key. */
  groupOf(key: string, deadline: Deadline): Promise<string>;
  /**
   * The server to send a call for `group` to: its primary, waited for when it has none now, or a router.
   * `redirected`: the address that another server has named.
   */
  serverOf(group: string, deadline: Deadline, redirected?: string): Promise<ServerLink>;
  /** Says that an attempt at this server has failed, not by the server's word. */
  failed(server: ServerLink): void;
  close(): void;
}

export interface ClusterOptions {
  readonly routers: readonly string[];
  readonly direct: boolean;
  readonly operationsInFlightMax: number;
  readonly bytesInFlightMax: number;
}

export function openCluster(options: ClusterOptions): Cluster {
  const { routers, direct } = options;
  const closing = new AbortController();
  const tracked = new Set<Deadline>();
  const transports = createTransports({ messageBytesMax: messageBytesLimit });
  const transportTo = (address: string) => transports.transportTo(address);
  const servers = createServers(transportTo, fullDuplex, {
    operationsMax: options.operationsInFlightMax,
    bytesMax: options.bytesInFlightMax,
  });
  const topology = createTopologyCache({
    routers,
    transportTo,
    watch: direct,
    onLeft: direct ? () => {} : servers.replaced,
    closing: closing.signal,
  });
  if (direct) topology.onChange((view, before) => retireReplaced(view, before, servers.replaced));
  const names = createRequestNames();
  topology.onChange((view, before) => {
    if (isOtherCluster(view, before?.clusterId)) names.forget();
  });

  return {
    topology,
    names,
    track(deadline) {
      if (closing.signal.aborted) deadline.end(closed());
      tracked.add(deadline);
      return () => void tracked.delete(deadline);
    },
    groups: (deadline) =>
      topology.find(
        ({ groups }) => (groups.size > 0 ? [...groups.keys()] : undefined),
        ({ empty }) => empty,
        deadline,
      ),
    groupOf: (key, deadline) =>
      topology.find(
        ({ ring }) => ring.owner(key),
        ({ empty }) => empty,
        deadline,
      ),
    async serverOf(group, deadline, redirected) {
      if (!direct) return servers.at(topology.router);
      if (redirected !== undefined) return servers.at(redirected);
      const address = await topology.find(
        ({ groups }) => groups.get(group)?.primary,
        ({ groups }) => groups.get(group)?.unavailable || `group "${group}" has no primary now`,
        deadline,
      );
      return servers.at(address);
    },
    failed(server) {
      if (!direct) topology.leave(server.address);
    },
    close() {
      closing.abort();
      for (const deadline of [...tracked]) deadline.end(closed());
      tracked.clear();
      servers.close();
      transports.close();
    },
  };
}

function closed(): KvError {
  return new KvError("closed", "the client is closed");
}

function retireReplaced(
  view: ClusterView,
  before: ClusterView | undefined,
  replaced: (address: string) => void,
): void {
  for (const { name, primary } of before?.groups.values() ?? []) {
    const next = view.groups.get(name)?.primary;
    if (primary !== undefined && next !== undefined && next !== primary) replaced(primary);
  }
}
