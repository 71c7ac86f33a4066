import { ZooKeeperError } from "../errors.ts";
import type { CallOptions } from "../options.ts";
import type { ZooKeeper } from "../zookeeper.ts";

/** The names of a znode's children; none when it does not exist. */
export async function childrenOf(client: ZooKeeper, path: string, options: CallOptions): Promise<string[]> {
  return (await unlessMissing(client.children(path, options)))?.children ?? [];
}

/** The result; undefined when the znode does not exist. */
export async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (ZooKeeperError.is(error, "NO_NODE")) return undefined;
    throw error;
  }
}
