import type { ZooKeeper } from "../zookeeper.ts";
import { unlessAborted } from "./bounded.ts";

/**
 * Waits until a session is connected to a server that takes writes, or over. Resolves with `ZooKeeper.connectedSignal`.
 * Errors: ABORTED.
 */
export async function connected(client: ZooKeeper, path: string, signal: AbortSignal): Promise<AbortSignal> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    if (client.state !== "disconnected" && client.state !== "read-only") resolve();
  };
  const stopListening = client.onState(look);
  try {
    look();
    await unlessAborted(path, signal, promise);
  } finally {
    stopListening();
  }
  return client.connectedSignal();
}
