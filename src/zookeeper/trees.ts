import type { Acl } from "./acl.ts";
import type { Calls } from "./calls.ts";
import { ZooKeeperError } from "./errors.ts";
import { multiOperation } from "./operations/multi.ts";
import { childrenOperation, existsOperation } from "./operations/reads.ts";
import { checkDeletable, createOperation, deleteOperation } from "./operations/writes.ts";
import type { CallOptions } from "./options.ts";
import { childOf } from "./paths.ts";

/** Most znodes to delete in one multi, and the length of their paths: a server takes 1 MiB in one request. */
const [BATCH_MAX, BATCH_LENGTH_MAX] = [500, 128 * 1024];

/** Listings that are under way at a time: one after another, each would cost the way to the server and back. */
const LISTED_MAX = 100;

const ANY_VERSION = -1;

/** Creates the missing znodes down to `path` on the server: persistent, empty and with this ACL. */
export async function createAll(
  calls: Calls,
  path: string,
  acl: readonly Acl[],
  options: CallOptions,
): Promise<void> {
  const next = calls.together(options);
  const names = path.split("/").filter((name) => name !== "");
  for (const [i] of names.entries()) {
    const ancestor = `/${names.slice(0, i + 1).join("/")}`;
    // Without write access to the parent, creating an existing znode fails with NO_AUTH rather than NODE_EXISTS.
    if ((await calls.perform(existsOperation("", ancestor), next())) !== undefined) continue;
    const data = new Uint8Array();
    const created = calls.perform(createOperation("", ancestor, { data, mode: "persistent", acl }), next());
    await unless(created, "NODE_EXISTS");
  }
}

/**
 * Deletes a znode below `chroot` and all below it, whatever is created or deleted there meanwhile. Errors, before anything
 * is deleted: BAD_ARGUMENTS, for the root.
 */
export async function deleteAll(
  calls: Calls,
  chroot: string,
  path: string,
  options: CallOptions,
): Promise<void> {
  checkDeletable(path);
  await new TreeDeletion(calls, chroot, calls.together(options)).run(path);
}

class TreeDeletion {
  readonly #calls: Calls;
  readonly #chroot: string;
  /** Options of the next call. */
  readonly #next: () => CallOptions;

  constructor(calls: Calls, chroot: string, next: () => CallOptions) {
    this.#calls = calls;
    this.#chroot = chroot;
    this.#next = next;
  }

  async run(path: string): Promise<void> {
    let batch: string[] = [];
    let length = 0;
    for (const found of (await this.#topDown(path)).toReversed()) {
      if (batch.length === BATCH_MAX || length + found.length > BATCH_LENGTH_MAX) {
        await this.#deleteBatch(batch);
        [batch, length] = [[], 0];
      }
      batch.push(found);
      length += found.length;
    }
    if (batch.length > 0) await this.#deleteBatch(batch);
  }

  /** The path and all that is below it, level by level. */
  async #topDown(path: string): Promise<string[]> {
    const found: string[] = [];
    const waiting = [path];
    while (waiting.length > 0) {
      const listed = waiting.splice(0, LISTED_MAX);
      const listings = await Promise.all(listed.map((each) => this.#childrenOf(each)));
      for (const [index, children] of listings.entries()) {
        const each = listed[index];
        if (each === undefined || children === undefined) continue;
        found.push(each);
        for (const name of children) waiting.push(childOf(each, name));
      }
    }
    return found;
  }

  /** Undefined when there is no such znode. */
  async #childrenOf(path: string): Promise<string[] | undefined> {
    const listing = this.#calls.perform(childrenOperation(this.#chroot, path), this.#next());
    return (await unless(listing, "NO_NODE"))?.children;
  }

  async #deleteBatch(paths: readonly string[]): Promise<void> {
    const deletions = paths.map((path) => ({ type: "delete", path }) as const);
    try {
      await this.#calls.perform(multiOperation(this.#chroot, deletions), this.#next());
    } catch (error) {
      if (!ZooKeeperError.is(error, "NO_NODE", "NOT_EMPTY")) throw error;
      // Somebody else has changed something there: the multi has deleted nothing.
      for (const path of paths) await this.#deleteOne(path);
    }
  }

  async #deleteOne(path: string): Promise<void> {
    try {
      await this.#calls.perform(deleteOperation(this.#chroot, path, ANY_VERSION), this.#next());
    } catch (error) {
      if (ZooKeeperError.is(error, "NOT_EMPTY")) await this.run(path);
      else if (!ZooKeeperError.is(error, "NO_NODE")) throw error;
    }
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
