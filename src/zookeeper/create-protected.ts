import { randomUUID } from "node:crypto";
import { ZooKeeperError } from "./errors.ts";
import type { Created } from "./operations/writes.ts";
import type { CallOptions, CreateOptions } from "./options.ts";
import { childOf, parentOf } from "./paths.ts";
import { surely } from "./recipes/surely.ts";
import type { ZooKeeper } from "./zookeeper.ts";

/**
 * Creates a znode of which there will be one, even when the answer to the `create` is lost: its name gets a prefix
 * `_c_[uuid]-`, by which it is looked for before another one is created (as Curator's `withProtection`). When the call
 * fails although it may have been carried out, the znode is deleted as soon as that is possible in this session. The
 * deadline holds for each of the calls that this takes. Errors: those of `create`.
 */
export async function createProtected(
  client: ZooKeeper,
  path: string,
  data: Uint8Array = new Uint8Array(),
  options: CreateOptions = {},
): Promise<Created> {
  const parent = parentOf(path);
  const prefix = `_c_${randomUUID()}-`;
  const { signal, deadlineMs } = options;
  const protectedPath = childOf(parent, prefix + path.slice(path.lastIndexOf("/") + 1));
  let isUncertain = false;
  try {
    for (;;) {
      try {
        return await client.create(protectedPath, data, options);
      } catch (error) {
        if (!ZooKeeperError.is(error) || !error.maybeApplied) throw error;
        isUncertain = true;
        // When it exists, a repeated attempt has met its own forerunner.
        if (!ZooKeeperError.is(error, "CONNECTION_LOSS", "NODE_EXISTS")) throw error;
      }
      const found = await find(client, parent, prefix, { signal, deadlineMs });
      if (found !== undefined) return found;
      isUncertain = false;
    }
  } catch (error) {
    if (!isUncertain || !ZooKeeperError.is(error)) throw error;
    removeLater(client, parent, prefix);
    if (error.maybeApplied) throw error;
    const message = `createProtected ${path}: it may have been created for a moment (${error.message})`;
    throw new ZooKeeperError(error.code, message, { path, maybeApplied: true, cause: error });
  }
}

async function find(
  client: ZooKeeper,
  parent: string,
  prefix: string,
  options: CallOptions,
): Promise<Created | undefined> {
  // The server of a new connection may be behind the one that has carried it out.
  await client.sync(parent, options);
  const { children } = await client.children(parent, options);
  const name = children.find((each) => each.startsWith(prefix));
  if (name === undefined) return undefined;
  const path = childOf(parent, name);
  const stat = await client.exists(path, options);
  return stat && { path, stat };
}

/** Deletes what was created for nobody, unless the session ends before. Nobody waits for this, to be told of an error. */
function removeLater(client: ZooKeeper, parent: string, prefix: string): void {
  const options = { deadlineMs: Number.POSITIVE_INFINITY };
  surely(client, parent, async () => {
    const found = await find(client, parent, prefix, options);
    if (found !== undefined) await client.delete(found.path, options);
  }).catch(() => {});
}
