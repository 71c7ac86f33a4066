import { randomUUID } from "node:crypto";
import { ZooKeeperError } from "../errors.ts";
import type { Created } from "../operations/writes.ts";
import { childOf } from "../paths.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import type { EndlessCall } from "./bounded.ts";
import { connected } from "./connected.ts";
import { deleteLater } from "./delete-surely.ts";
import { ensure, isPassing } from "./ensure.ts";

/** A name that nobody else has, as kazoo makes them: 32 hexadecimal digits. */
export function uniqueName(): string {
  return randomUUID().replaceAll("-", "");
}

/**
 * Creates an ephemeral znode with a name that nobody else uses, and what is missing above it. Of a call that fails,
 * nothing stays. Errors: those of `create`, but NO_NODE, NODE_EXISTS, CONNECTION_LOSS and READ_ONLY.
 */
export async function createOwn(
  client: ZooKeeper,
  parent: string,
  name: string,
  data: string,
  call: EndlessCall,
): Promise<Created> {
  const path = childOf(parent, name);
  let isUncertain = false;
  try {
    for (;;) {
      try {
        await connected(client, path, call.signal);
        // With this name, it can only be what an earlier attempt has created, whose answer was lost.
        const stat = isUncertain ? await client.exists(path, call) : undefined;
        if (stat !== undefined) return { path, stat };
        return await client.create(path, Buffer.from(data), { ...call, mode: "ephemeral" });
      } catch (error) {
        isUncertain ||= ZooKeeperError.is(error) && error.maybeApplied;
        if (ZooKeeperError.is(error, "NO_NODE")) await ensure(client, parent, call);
        else if (!ZooKeeperError.is(error, "NODE_EXISTS") && !isPassing(error)) throw error;
      }
    }
  } catch (error) {
    if (isUncertain) deleteLater(client, path);
    throw error;
  }
}
