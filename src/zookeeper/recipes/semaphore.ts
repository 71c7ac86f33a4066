import { count, type Kinds } from "../../common/option-kinds.ts";
import { checkArgument } from "../check.ts";
import { ZooKeeperError } from "../errors.ts";
import { childOf, parentOf } from "../paths.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded, type EndlessCall } from "./bounded.ts";
import { connected } from "./connected.ts";
import { uniqueName } from "./create-own.ts";
import { deleteLater } from "./delete-surely.ts";
import { ensure, isPassing } from "./ensure.ts";
import { type Held, hold } from "./held.ts";
import { type AcquireOptions, acquireKinds, acquireLock } from "./lock.ts";
import { unlessMissing } from "./missing.ts";
import { type Look, waitUntil } from "./wait-until.ts";

export interface SemaphoreOptions extends AcquireOptions {
  /** How many may have a lease at once, from 1. It is kept in the znode, and must be the same for all. */
  readonly maxLeases: number;
}

const semaphoreKinds: Kinds<SemaphoreOptions> = { ...acquireKinds, maxLeases: count };

/** Where its lease is to be made, and under which lock. */
interface Place {
  readonly path: string;
  readonly lease: string;
  readonly lockPath: string;
  readonly maxLeases: number;
  readonly data: Uint8Array;
}

/**
 * Takes a lease, of which there are `maxLeases` at a time. Those who wait do so at a lock beside the znode, in the order in
 * which they came, and only the first of them watches the leases: as kazoo's `Semaphore`. The lease is made in one step
 * with a look at that lock, so that there are never too many. `fencingToken` says only which of two leases is newer.
 * Errors: as `acquireLock`; BAD_ARGUMENTS, also when the znode has another number of leases.
 */
export function acquireLease(client: ZooKeeper, path: string, options: SemaphoreOptions): Promise<Held> {
  return bounded("acquireLease", path, options, semaphoreKinds, async (call) => {
    const { maxLeases, identifier = "" } = options;
    checkArgument("maxLeases", maxLeases, semaphoreKinds.maxLeases);
    const lease = childOf(path, uniqueName());
    const data = Buffer.from(identifier);
    for (;;) {
      await agree(client, path, maxLeases, call);
      const lock = await acquireLock(client, `${path}-__lock__`, { ...call, identifier });
      try {
        const place: Place = { path, lease, lockPath: lock.path, maxLeases, data };
        const held = await waitUntil(client, path, call, (look) => takeLease(client, place, call, look));
        if (held !== "gone") return held;
      } catch (error) {
        deleteLater(client, lease);
        throw error;
      } finally {
        // The next one waits for this, and the holder of the lease need not.
        deleteLater(client, lock.path);
      }
    }
  });
}

/** `gone`: the lock or the semaphore was deleted. */
async function takeLease(
  client: ZooKeeper,
  { path, lease, lockPath, maxLeases, data }: Place,
  call: EndlessCall,
  look: Look,
): Promise<Held | "gone" | undefined> {
  const isConnected = await connected(client, path, call.signal);
  try {
    const leases = await look.children(path);
    if (leases === undefined) return "gone";
    const stat = await client.exists(lease, call);
    if (stat !== undefined) {
      look.again();
      return hold(client, { path: lease, stat }, isConnected);
    }
    if (leases.children.length >= maxLeases) return undefined;
    const check = { type: "check", path: lockPath } as const;
    const create = { type: "create", path: lease, data, mode: "ephemeral" } as const;
    await client.multi([check, create], call);
  } catch (error) {
    if (ZooKeeperError.is(error, "NO_NODE")) return "gone";
    // It was made by an attempt whose answer was lost.
    if (!ZooKeeperError.is(error, "NODE_EXISTS")) throw error;
  }
  look.again();
  return undefined;
}

/** Writes down the number of leases, or compares it with the one that is there. */
async function agree(client: ZooKeeper, path: string, maxLeases: number, call: EndlessCall): Promise<void> {
  for (;;) {
    try {
      await connected(client, path, call.signal);
      const found = await unlessMissing(client.get(path, call));
      if (found !== undefined) return checkAgreed(path, maxLeases, found.data);
      await client.create(path, Buffer.from(`${maxLeases}`), call);
      return;
    } catch (error) {
      if (ZooKeeperError.is(error, "NO_NODE")) await ensure(client, parentOf(path), call);
      // Once somebody has created it, it is read.
      else if (!ZooKeeperError.is(error, "NODE_EXISTS") && !isPassing(error)) throw error;
    }
  }
}

/** Errors: BAD_ARGUMENTS. */
function checkAgreed(path: string, maxLeases: number, data: Uint8Array): void {
  const text = Buffer.from(data).toString();
  // As kazoo does, which may have created the znode without a number.
  if (!/^\d+$/.test(text) || Number(text) === maxLeases) return;
  const message = `acquireLease ${path}: maxLeases is ${maxLeases}, and the semaphore has ${text}`;
  throw new ZooKeeperError("BAD_ARGUMENTS", message, { path });
}
