import { ZooKeeperError } from "../errors.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import type { EndlessCall } from "./bounded.ts";
import { connected } from "./connected.ts";

/**
 * Creates what is missing down to a path, over lost connections. The znodes are persistent: kazoo looks only once whether
 * its path is there, and containers would be deleted under it.
 */
export async function ensure(client: ZooKeeper, path: string, call: EndlessCall): Promise<void> {
  for (;;) {
    try {
      // A server that only reads would refuse it.
      await connected(client, path, call.signal);
      return await client.createAll(path, call);
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }
}

/** Whether the server, or this client, had too much to do: the call was not carried out, and may be a little later. */
export function isBusy(error: unknown): boolean {
  return ZooKeeperError.is(error, "THROTTLED", "OVERLOADED");
}

/** Whether the same call may do better on the next connection. */
export function isPassing(error: unknown): boolean {
  return ZooKeeperError.is(error, "CONNECTION_LOSS", "READ_ONLY");
}
