import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { viewOf } from "../../src/client/topology.ts";
import type { LogRecord } from "../../src/cluster/storage/model.ts";
import type { ChaosCluster } from "./cluster.ts";

/** Which of the keys each group is to have, by the ring as a router knows it. Undefined when none answers. */
export async function placesByRing(
  cluster: ChaosCluster,
  keys: readonly string[],
): Promise<Map<string, string[]> | undefined> {
  const topology = await cluster.topology();
  if (topology === undefined) return undefined;
  const { ring } = viewOf(topology);
  const places = new Map<string, string[]>(topology.groups.map(({ name }) => [name, []]));
  for (const key of keys) places.get(ring.owner(key) ?? "")?.push(key);
  return places;
}

/** Whether every replica says that it has as many keys as its group is to have: what has moved away is removed. */
export async function havePlaces(
  { servers, transports }: ChaosCluster,
  places: ReadonlyMap<string, readonly string[]>,
): Promise<boolean> {
  const right = servers.map(async ({ group, process }) => {
    if (group === undefined) return true;
    const client = createClient(DataService, transports.transportTo(process.address));
    const { keys } = await client.status({ group }, { timeoutMs: 2000 });
    return Number(keys) === places.get(group)?.length;
  });
  return await Promise.all(right).then(
    (each) => each.every(Boolean),
    () => false,
  );
}

/** The keys that exist after these records. */
export function keysAfter(records: readonly LogRecord[]): string[] {
  const keys = new Set<string>();
  for (const { changes } of records) {
    for (const { kind, key } of changes) {
      if (kind === "put") keys.add(key);
      else keys.delete(key);
    }
  }
  return [...keys].sort();
}
