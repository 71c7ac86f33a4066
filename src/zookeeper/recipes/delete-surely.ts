import { createBackoff } from "../../common/backoff.ts";
import { systemClock } from "../../common/clock.ts";
import { ZooKeeperError } from "../errors.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { connected } from "./connected.ts";
import { isBusy, isPassing } from "./ensure.ts";

/** Pauses before it is tried again while the server, or this client, has too much to do. */
const [FIRST_PAUSE_MS, PAUSE_MS_MAX] = [20, 1000];

/**
 * Deletes a znode, over lost connections and overloads, until it is gone or the session is over, which ends its own
 * ephemeral ones as well. When an answer is lost, it is deleted again, also when somebody has created it anew. Errors: NO_AUTH, NOT_EMPTY.
 */
export async function deleteSurely(client: ZooKeeper, path: string): Promise<void> {
  const { signal } = new AbortController();
  const backoff = createBackoff(systemClock, FIRST_PAUSE_MS, PAUSE_MS_MAX);
  for (;;) {
    try {
      // A server that only reads would refuse it.
      await connected(client, path, signal);
      await client.delete(path, { deadlineMs: Number.POSITIVE_INFINITY });
      return;
    } catch (error) {
      if (ZooKeeperError.is(error, "NO_NODE", "SESSION_EXPIRED", "CLOSED")) return;
      if (isBusy(error)) await backoff.wait();
      else if (!isPassing(error)) throw error;
    }
  }
}

/** As `deleteSurely`, when nobody waits for it. */
export function deleteLater(client: ZooKeeper, path: string): void {
  // Nobody is there to be told that it cannot be deleted, and the session's end deletes it.
  deleteSurely(client, path).catch(() => {});
}
