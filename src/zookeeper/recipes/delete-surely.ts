import { ZooKeeperError } from "../errors.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { surely } from "./surely.ts";

/**
 * Deletes a znode, over lost connections and overloads, until it is gone or the session is over, which ends its own
 * ephemeral ones as well. When an answer is lost, it is deleted again, also when somebody has created it anew. Errors:
 * NO_AUTH, NOT_EMPTY.
 */
export async function deleteSurely(client: ZooKeeper, path: string): Promise<void> {
  try {
    await surely(client, path, () => client.delete(path, { deadlineMs: Number.POSITIVE_INFINITY }));
  } catch (error) {
    if (!ZooKeeperError.is(error, "NO_NODE", "SESSION_EXPIRED", "CLOSED")) throw error;
  }
}

/** As `deleteSurely`, when nobody waits for it. */
export function deleteLater(client: ZooKeeper, path: string): void {
  // Nobody is there to be told that it cannot be deleted, and the session's end deletes it.
  deleteSurely(client, path).catch(() => {});
}
