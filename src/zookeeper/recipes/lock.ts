import { type Kinds, text } from "../../common/option-kinds.ts";
import { createProtected } from "../create-protected.ts";
import { ZooKeeperError } from "../errors.ts";
import type { Created } from "../operations/writes.ts";
import { type CallOptions, callKinds } from "../options.ts";
import { childOf } from "../paths.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded, type EndlessCall, unlessAborted } from "./bounded.ts";
import { connected } from "./connected.ts";
import { type ContenderKind, contenderNames, queueOf } from "./contenders.ts";
import { deleteLater, deleteSurely } from "./delete-surely.ts";
import { ensure, isPassing } from "./ensure.ts";
import { type Held, hold } from "./held.ts";
import { childrenOf } from "./missing.ts";
import { waitUntil } from "./wait-until.ts";

/** Default of `deadlineMs`: Infinity. */
export interface AcquireOptions extends CallOptions {
  /** Whom to show to others as a contender. Default: empty. */
  readonly identifier?: string | undefined;
}

export const acquireKinds: Kinds<AcquireOptions> = { ...callKinds, identifier: text };

/** How a lock is taken. */
interface LockKind {
  readonly kind: ContenderKind;
  /** The contenders that it waits for when they came before. */
  readonly waitsFor: readonly ContenderKind[];
}

const exclusive: LockKind = { kind: "write", waitsFor: ["write"] };
const reading: LockKind = { kind: "read", waitsFor: ["write"] };
const writing: LockKind = { kind: "write", waitsFor: ["write", "read"] };

/**
 * Takes a lock that one client at a time has, in the order in which they came. The znode at `path`, which is created as
 * needed and stays, has a child for each contender, and each watches only the one before it. A `Lock` of kazoo on the
 * same path is the same lock.
 *
 * Who gives up leaves nothing behind. Who loses his znode while he waits begins anew at the end. A lock can be taken
 * again only after it was released: a second attempt waits for the first, also in the same session. Errors: ABORTED,
 * DEADLINE_EXCEEDED, SESSION_EXPIRED, CLOSED, NO_AUTH, BAD_ARGUMENTS.
 */
export function acquireLock(client: ZooKeeper, path: string, options: AcquireOptions = {}): Promise<Held> {
  return acquire(client, path, exclusive, "acquireLock", options);
}

/** As `acquireLock`, but does not wait for others: undefined when somebody has the lock or came first. */
export function tryLock(
  client: ZooKeeper,
  path: string,
  options: AcquireOptions = {},
): Promise<Held | undefined> {
  return bounded("tryLock", path, options, acquireKinds, (call) =>
    attempt(client, path, exclusive, options, call, false),
  );
}

/**
 * As `acquireLock`, for a lock that readers have together, and a writer alone: as kazoo's `ReadLock`. It waits for the
 * writers that came before. kazoo 2.8 waits for those that came later, too: a reader of kazoo that waits and a writer
 * that comes after it wait for each other for ever.
 */
export function acquireReadLock(
  client: ZooKeeper,
  path: string,
  options: AcquireOptions = {},
): Promise<Held> {
  return acquire(client, path, reading, "acquireReadLock", options);
}

/** The other side of `acquireReadLock`, as kazoo's `WriteLock`. It waits for all that came before. */
export function acquireWriteLock(
  client: ZooKeeper,
  path: string,
  options: AcquireOptions = {},
): Promise<Held> {
  return acquire(client, path, writing, "acquireWriteLock", options);
}

function acquire(
  client: ZooKeeper,
  path: string,
  lock: LockKind,
  what: string,
  options: AcquireOptions,
): Promise<Held> {
  return bounded(what, path, options, acquireKinds, async (call) => {
    for (;;) {
      const held = await attempt(client, path, lock, options, call, true);
      if (held !== undefined) return held;
    }
  });
}

/** Undefined when the znode that it made was deleted, or, unless it waits, when it is not its turn. */
async function attempt(
  client: ZooKeeper,
  path: string,
  { kind, waitsFor }: LockKind,
  { identifier = "" }: AcquireOptions,
  call: EndlessCall,
  waits: boolean,
): Promise<Held | undefined> {
  const own = await enqueue(client, path, kind, identifier, call);
  const ownName = own.path.slice(path === "/" ? 1 : path.length + 1);
  try {
    const held = await waitUntil(client, path, call, async (look) => {
      const isConnected = await connected(client, path, call.signal);
      const queue = queueOf(await childrenOf(client, path, call));
      const place = queue.findIndex(({ name }) => name === ownName);
      if (place === -1) return "gone";
      const before = queue.slice(0, place).findLast((other) => waitsFor.includes(other.kind));
      if (before === undefined) {
        const found = hold(client, own, isConnected);
        if (found === undefined) look.again();
        return found;
      }
      if (!waits) return "taken";
      if ((await look.get(childOf(path, before.name))) === undefined) look.again();
      return undefined;
    });
    // Over a lost connection it goes on when the caller does not wait for it any more.
    if (held === "taken") await unlessAborted(path, call.signal, deleteSurely(client, own.path));
    return held === "taken" || held === "gone" ? undefined : held;
  } catch (error) {
    deleteLater(client, own.path);
    throw error;
  }
}

/** Makes a contender, and the znode above it as needed. */
async function enqueue(
  client: ZooKeeper,
  path: string,
  kind: ContenderKind,
  identifier: string,
  call: EndlessCall,
): Promise<Created> {
  for (;;) {
    // A server that only reads would refuse it.
    await connected(client, path, call.signal);
    try {
      const options = { ...call, mode: "ephemeral-sequential" } as const;
      return await createProtected(
        client,
        childOf(path, contenderNames[kind]),
        Buffer.from(identifier),
        options,
      );
    } catch (error) {
      // Of a call that may have been carried out, the znode is deleted later.
      if (ZooKeeperError.is(error, "NO_NODE")) await ensure(client, path, call);
      else if (!isPassing(error)) throw error;
    }
  }
}
