import { callback } from "../../common/option-kinds.ts";
import { checkArgument } from "../check.ts";
import { type CallOptions, callKinds } from "../options.ts";
import { childOf } from "../paths.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded, type EndlessCall } from "./bounded.ts";
import { type Contender, contenderOf, queueOf } from "./contenders.ts";
import type { Held } from "./held.ts";
import { type AcquireOptions, acquireLock } from "./lock.ts";
import { childrenOf } from "./missing.ts";
import { readAll } from "./read-all.ts";
import { type Look, waitUntil } from "./wait-until.ts";

/**
 * Waits to be elected, in the order in which the contenders came, and calls `lead`. When that has ended, the next one is
 * elected. As kazoo's `Election` of the same path. `lead` has to end soon when the signal of its leadership is aborted:
 * another leader is elected as soon as the servers see the session expire, whether or not it has ended. `options` hold for
 * the wait. Errors: those of `acquireLock` and of `lead`.
 */
export async function campaign<T>(
  client: ZooKeeper,
  path: string,
  lead: (leadership: Held) => T | Promise<T>,
  options: AcquireOptions = {},
): Promise<T> {
  checkArgument("lead", lead, callback);
  const leadership = await acquireLock(client, path, options);
  let result: T;
  try {
    result = await lead(leadership);
  } catch (error) {
    // Of two errors, the one of the leader is told.
    await leadership.release().catch(() => {});
    throw error;
  }
  await leadership.release();
  return result;
}

/** Who leads now; undefined when nobody contends. It may be over when the caller learns of it. */
export function currentLeader(
  client: ZooKeeper,
  path: string,
  options: CallOptions = {},
): Promise<Contender | undefined> {
  return bounded("currentLeader", path, options, callKinds, async (call) => {
    for (;;) {
      const [first] = queueOf(await childrenOf(client, path, call));
      if (first === undefined) return undefined;
      const [read] = await readAll(client, path, [first.name], call);
      if (read !== undefined) return contenderOf(first, read);
    }
  });
}

/** What a look has found: nobody may lead. */
interface Found {
  readonly leader: Contender | undefined;
}

/**
 * Yields who leads, now and whenever that has changed; undefined for nobody. Of leaders in quick succession only the last
 * is seen. Ends with an error: ABORTED, SESSION_EXPIRED, CLOSED, NO_AUTH.
 */
export async function* watchLeader(
  client: ZooKeeper,
  path: string,
  { signal = new AbortController().signal }: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Contender | undefined, never> {
  const call: EndlessCall = { signal, deadlineMs: Number.POSITIVE_INFINITY };
  let last: bigint | undefined;
  let isFirst = true;
  for (;;) {
    const found = await waitUntil(client, path, call, async (look): Promise<Found | undefined> => {
      const leader = await lookAtLeader(client, path, call, look);
      return isFirst || leader?.fencingToken !== last ? { leader } : undefined;
    });
    isFirst = false;
    last = found.leader?.fencingToken;
    yield found.leader;
  }
}

/** Watches the leader's znode, and all only while there is none: so that others may come without a look at each. */
async function lookAtLeader(
  client: ZooKeeper,
  path: string,
  call: EndlessCall,
  look: Look,
): Promise<Contender | undefined> {
  for (;;) {
    const [first] = queueOf(await childrenOf(client, path, call));
    if (first !== undefined) {
      const leaderPath = childOf(path, first.name);
      const read = await look.get(leaderPath);
      if (read !== undefined) return contenderOf(first, { name: first.name, path: leaderPath, ...read });
    } else {
      if ((await look.exists(path)) === undefined) return undefined;
      const found = await look.children(path);
      if (found !== undefined && queueOf(found.children).length === 0) return undefined;
    }
  }
}
