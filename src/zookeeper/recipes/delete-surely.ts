import { ZooKeeperError } from "../errors.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { connected } from "./connected.ts";
import { isPassing } from "./ensure.ts";

/**
 * Deletes a znode that nobody creates again. Goes on, over lost connections, until it is gone or the session is over,
 * which ends an ephemeral one as well. Errors: any other of `delete`, such as NO_AUTH.
 */
export async function deleteSurely(client: ZooKeeper, path: string): Promise<void> {
  const { signal } = new AbortController();
  for (;;) {
    try {
      // A server that only reads would refuse it.
      await connected(client, path, signal);
      await client.delete(path, { deadlineMs: Number.POSITIVE_INFINITY });
      return;
    } catch (error) {
      if (ZooKeeperError.is(error, "NO_NODE", "SESSION_EXPIRED", "CLOSED")) return;
      if (!isPassing(error)) throw error;
    }
  }
}

/** As `deleteSurely`, when nobody waits for it. */
export function deleteLater(client: ZooKeeper, path: string): void {
  // Nobody is there to be told that it cannot be deleted, and the session's end deletes it.
  deleteSurely(client, path).catch(() => {});
}
