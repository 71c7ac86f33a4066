import assert from "node:assert/strict";
import { StandbyState } from "../../gen/kvlab/v1/data_pb.ts";
import { NodeRole, type Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { isInSync } from "../support/placed-keys.ts";
import type { ProcessCluster } from "../support/process-cluster.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";

// What a process that was killed has left may show for a while after its restart: it has the same address. So those are
// asked who must know better.

/** Waits until all servers have their places, and every standby has everything. `router`: has been told of all restarts. */
export async function untilWhole(
  cluster: ProcessCluster,
  router: ServerProcess,
  timeoutMs: number,
): Promise<void> {
  const { routers, nodes, groups } = cluster;
  await cluster.topologyOf(
    router,
    "all nodes are in sync",
    (given) => given.routers.length === routers.length && isInSync(nodes.length, given),
    timeoutMs,
  );
  for (const [group, { length }] of groups) {
    await until(`the standbys of ${group} have everything`, timeoutMs, async () => {
      const primary = await cluster.primaryOf(group, router);
      const { unavailable, standbys } = await cluster.clientOf(primary).data.status({ group });
      const upToDate = standbys.filter(({ state, inSync }) => inSync && state === StandbyState.REPLICATE);
      return unavailable === "" && upToDate.length === length - 1;
    });
  }
}

/** The router that all of them know as the master. */
export async function masterOf(cluster: ProcessCluster, timeoutMs: number): Promise<ServerProcess> {
  const address = await until("all routers know one master", timeoutMs, async () => {
    const [first, ...others] = await Promise.all(
      cluster.routers.map(async (router) => {
        const { topology } = await cluster.clientOf(router).router.getTopology({});
        return topology?.routers.find(({ number }) => number === 0)?.address;
      }),
    );
    return others.every((other) => other === first) && first;
  });
  return cluster.routers.find((router) => router.address === address) ?? assert.fail(address);
}

/**
 * Whether a group cannot go on before a node is back: none of its in-sync nodes is there. That may be so after one kill: on
 * a busy machine its standby may just have been removed as too slow.
 */
export function isStranded({ groups }: Topology): boolean {
  return groups.some(({ nodes }) => !nodes.some(({ inSync }) => inSync));
}

/** Whether one of these still shows as the primary of a group. */
export function isAnyPrimary(servers: readonly ServerProcess[], { groups }: Topology): boolean {
  const primaries = groups.flatMap(({ nodes }) => nodes.filter(({ role }) => role === NodeRole.PRIMARY));
  return primaries.some(({ address }) => servers.some((server) => server.address === address));
}
