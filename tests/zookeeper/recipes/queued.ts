import { type Contender, lockContenders, type ZooKeeper } from "../../../src/zookeeper/index.ts";
import { until } from "../../support/until.ts";

/** Waits until so many contend for a lock. Resolves with them. */
export function queued(client: ZooKeeper, path: string, count: number): Promise<Contender[]> {
  return until(`${count} contend for ${path}`, 20_000, async () => {
    await client.sync(path);
    const queue = await lockContenders(client, path);
    return queue.length === count && queue;
  });
}

/** Waits until a znode has so many children. Resolves with their names. */
export function hasChildren(client: ZooKeeper, path: string, count: number): Promise<string[]> {
  return until(`${path} has ${count} children`, 20_000, async () => {
    await client.sync(path);
    if ((await client.exists(path)) === undefined) return count === 0 && [];
    const { children } = await client.children(path);
    return children.length === count && children;
  });
}
