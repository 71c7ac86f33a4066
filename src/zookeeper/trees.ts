import type { Acl } from "./acl.ts";
import type { Calls } from "./calls.ts";
import { ZooKeeperError } from "./errors.ts";
import { multiOperation } from "./operations/multi.ts";
import { childrenOperation, existsOperation } from "./operations/reads.ts";
import { createOperation, deleteOperation } from "./operations/writes.ts";
import type { CallOptions } from "./options.ts";
import { childOf } from "./paths.ts";

/** Most znodes to delete in one multi, and the length of their paths: a server takes 1 MiB in one request. */
const [BATCH_MAX, BATCH_LENGTH_MAX] = [500, 128 * 1024];

/** Creates the missing znodes down to `path` on the server: persistent, empty and with this ACL. */
export async function createAll(
  calls: Calls,
  path: string,
  acl: readonly Acl[],
  options: CallOptions,
): Promise<void> {
  const names = path.split("/").filter((name) => name !== "");
  for (const [i] of names.entries()) {
    const ancestor = `/${names.slice(0, i + 1).join("/")}`;
    // Without write access to the parent, creating an existing znode fails with NO_AUTH rather than NODE_EXISTS.
    if ((await calls.perform(existsOperation("", ancestor), options)) !== undefined) continue;
    const data = new Uint8Array();
    const created = calls.perform(createOperation("", ancestor, { data, mode: "persistent", acl }), options);
    await unless(created, "NODE_EXISTS");
  }
}

/** Deletes a znode below `chroot` and all below it, whatever is created or deleted there meanwhile. */
export async function deleteAll(
  calls: Calls,
  chroot: string,
  path: string,
  options: CallOptions,
): Promise<void> {
  let batch: string[] = [];
  let length = 0;
  const flush = async () => {
    await deleteBatch(calls, chroot, batch, options);
    [batch, length] = [[], 0];
  };
  for await (const found of bottomUp(calls, chroot, path, options)) {
    if (batch.length === BATCH_MAX || length + found.length > BATCH_LENGTH_MAX) await flush();
    batch.push(found);
    length += found.length;
  }
  await flush();
}

/** Yields what there is below `path`, children before their parents, and last the path itself. */
async function* bottomUp(
  calls: Calls,
  chroot: string,
  path: string,
  options: CallOptions,
): AsyncGenerator<string> {
  const found = await unless(calls.perform(childrenOperation(chroot, path), options), "NO_NODE");
  if (found === undefined) return;
  for (const name of found.children) yield* bottomUp(calls, chroot, childOf(path, name), options);
  yield path;
}

async function deleteBatch(
  calls: Calls,
  chroot: string,
  paths: readonly string[],
  options: CallOptions,
): Promise<void> {
  if (paths.length === 0) return;
  const deletions = paths.map((path) => ({ type: "delete", path }) as const);
  try {
    await calls.perform(multiOperation(chroot, deletions), options);
  } catch (error) {
    if (!ZooKeeperError.is(error, "NO_NODE", "NOT_EMPTY")) throw error;
    // Somebody else has changed something there: the multi has deleted nothing.
    for (const path of paths) await deleteOne(calls, chroot, path, options);
  }
}

async function deleteOne(calls: Calls, chroot: string, path: string, options: CallOptions): Promise<void> {
  try {
    await calls.perform(deleteOperation(chroot, path, -1), options);
  } catch (error) {
    if (ZooKeeperError.is(error, "NOT_EMPTY")) await deleteAll(calls, chroot, path, options);
    else if (!ZooKeeperError.is(error, "NO_NODE")) throw error;
  }
}

/** The result; undefined after an error of this code. */
async function unless<T>(result: Promise<T>, code: "NODE_EXISTS" | "NO_NODE"): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (ZooKeeperError.is(error, code)) return undefined;
    throw error;
  }
}
