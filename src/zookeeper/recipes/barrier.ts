import { ZooKeeperError } from "../errors.ts";
import { type CallOptions, callKinds } from "../options.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded } from "./bounded.ts";
import { connected } from "./connected.ts";
import { ensure, isPassing } from "./ensure.ts";
import { waitUntil } from "./wait-until.ts";

/** A barrier is a znode: while it is there, nobody passes. As kazoo's `Barrier`. It outlives its makers' sessions. */

/** Puts a barrier up. One that is up already is no error. Errors: those of `ZooKeeper.createAll`. */
export function raiseBarrier(client: ZooKeeper, path: string, options: CallOptions = {}): Promise<void> {
  return bounded("raiseBarrier", path, options, callKinds, (call) => ensure(client, path, call));
}

/**
 * Takes a barrier away, so that all who wait pass. One that is not up is no error. When the answer is lost, it is taken
 * away again. Errors: those of `ZooKeeper.delete`, but NO_NODE.
 */
export function liftBarrier(client: ZooKeeper, path: string, options: CallOptions = {}): Promise<void> {
  return bounded("liftBarrier", path, options, callKinds, async (call) => {
    for (;;) {
      try {
        await connected(client, path, call.signal);
        return await client.delete(path, call);
      } catch (error) {
        if (ZooKeeperError.is(error, "NO_NODE")) return;
        if (!isPassing(error)) throw error;
      }
    }
  });
}

/**
 * Waits until a barrier is not up; at once when it was not up at any time since the call. Also a barrier that another
 * client has put up just before holds it. Errors: ABORTED, DEADLINE_EXCEEDED, SESSION_EXPIRED, CLOSED, NO_AUTH.
 */
export function passBarrier(client: ZooKeeper, path: string, options: CallOptions = {}): Promise<void> {
  return bounded("passBarrier", path, options, callKinds, async (call) => {
    await waitUntil(client, path, call, async (look) => {
      // This server may not have seen yet that it was put up.
      await client.sync(path, call);
      return (await look.get(path)) === undefined ? true : undefined;
    });
  });
}
