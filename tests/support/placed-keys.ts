import assert from "node:assert/strict";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { viewOf } from "../../src/client/topology.ts";
import type { ProcessCluster } from "./process-cluster.ts";
import type { ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";

/** How long the groups may take to remove what they have given away, on a busy machine. */
const removedWithinMs = 20_000;

/** No change of the ring is under way, and it has these groups. */
export function hasRing(groups: readonly string[], { change, groups: views }: Topology): boolean {
  const inRing = views.filter(({ share }) => share > 0).map(({ name }) => name);
  return change === undefined && inRing.sort().join() === [...groups].sort().join();
}

/** Every group has a primary, and all of these nodes are in sync. */
export function isInSync(nodes: number, { groups }: Topology): boolean {
  const views = groups.flatMap(({ nodes: list }) => list);
  return (
    views.length === nodes &&
    views.every(({ inSync }) => inSync) &&
    groups.every(({ nodes: list }) => list.some(({ role }) => role === NodeRole.PRIMARY))
  );
}

/**
 * Asserts that each of these keys, and no other, is at exactly the group that the ring says, in all of its replicas, and
 * nowhere else. Returns how many keys each group has.
 */
export async function assertPlaced(
  cluster: ProcessCluster,
  router: ServerProcess,
  keys: Iterable<string>,
): Promise<Map<string, number>> {
  const topology = await cluster.topologyOf(router, "nothing changes", ({ change }) => change === undefined);
  const { ring } = viewOf(topology);
  const expected = new Map<string, string[]>(topology.groups.map(({ name }) => [name, []]));
  for (const key of keys) expected.get(ring.owner(key) ?? "")?.push(key);
  for (const [group, own] of expected) {
    const primary = await cluster.primaryOf(group, router);
    // It may be told of the ring a little later than the router.
    const found = await until(`${primary.name} knows the ring`, removedWithinMs, async () => {
      const keys: string[] = [];
      for await (const { items, ringVersion } of cluster
        .clientOf(primary)
        .data.scan({ group, keysOnly: true })) {
        if (ringVersion < topology.ringVersion) return undefined;
        keys.push(...items.map(({ key }) => key));
      }
      return keys;
    });
    assert.deepEqual(found, own.sort(), `the keys that ${group} shows`);
    // A scan leaves out what belongs to others.
    for (const node of cluster.groups.get(group) ?? []) {
      await until(
        `${node.name} has no keys but the ${own.length} of its group`,
        removedWithinMs,
        async () => {
          const { keys: count } = await cluster.clientOf(node).data.status({ group });
          return Number(count) === own.length;
        },
      );
    }
  }
  return new Map([...expected].map(([group, own]) => [group, own.length]));
}
