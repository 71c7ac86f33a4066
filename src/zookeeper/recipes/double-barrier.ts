import { count, type Kinds, text } from "../../common/option-kinds.ts";
import { checkArgument } from "../check.ts";
import { ZooKeeperError } from "../errors.ts";
import type { MultiOperation } from "../operations/multi.ts";
import type { Created } from "../operations/writes.ts";
import { type CallOptions, callKinds } from "../options.ts";
import { childOf } from "../paths.ts";
import type { Stat } from "../znode.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded, type EndlessCall } from "./bounded.ts";
import { createOwn, uniqueName } from "./create-own.ts";
import { deleteLater } from "./delete-surely.ts";
import { holdUntilGone } from "./held.ts";
import { type BarrierRound, leaveRound, READY } from "./leave-round.ts";
import { childrenOf } from "./missing.ts";
import { readAll } from "./read-all.ts";
import { type Look, waitUntil } from "./wait-until.ts";

export interface DoubleBarrierOptions extends CallOptions {
  /**
   * How many must have come before any goes on, from 1. The same for all. They are let in by one request, which servers
   * take up to 1 MiB: some thousands.
   */
  readonly members: number;
  /** Whom to show to others who look at the znodes. Default: empty. */
  readonly identifier?: string | undefined;
}

const barrierKinds: Kinds<DoubleBarrierOptions> = { ...callKinds, members: count, identifier: text };

/** A place inside a double barrier. */
export interface Inside extends AsyncDisposable {
  /** Aborted when the others take it for gone: the session is over or the znode was deleted. */
  readonly signal: AbortSignal;
  /**
   * Waits until all who were let in together have left or are gone. Errors: ABORTED, DEADLINE_EXCEEDED, after which the
   * others do not wait for it; SESSION_EXPIRED, CLOSED, NO_AUTH.
   */
  leave(options?: CallOptions): Promise<void>;
}

/**
 * Waits until so many members have come, and lets all of them in together. Members of kazoo's `DoubleBarrier` count.
 *
 * The last one to come changes, in one step, the znodes of all that wait: so nobody is let in who was not there with the
 * others at one moment, whoever was disconnected learns of it later, and what an earlier use has left behind lets nobody
 * in. Those who come after that wait for the next round. Errors: ABORTED, DEADLINE_EXCEEDED, SESSION_EXPIRED, CLOSED,
 * NO_AUTH, BAD_ARGUMENTS.
 */
export function enterDoubleBarrier(
  client: ZooKeeper,
  path: string,
  options: DoubleBarrierOptions,
): Promise<Inside> {
  return bounded("enterDoubleBarrier", path, options, barrierKinds, async (call) => {
    const { members, identifier = "" } = options;
    checkArgument("members", members, barrierKinds.members);
    for (;;) {
      const own = await createOwn(client, path, uniqueName(), identifier, call);
      try {
        const found = await waitUntil(client, path, call, (look) =>
          lookInside(client, path, own, members, call, look),
        );
        if (found !== "gone") return inside(client, own, found);
      } catch (error) {
        deleteLater(client, own.path);
        throw error;
      }
    }
  });
}

function inside(client: ZooKeeper, own: Created, round: BarrierRound): Inside {
  const held = holdUntilGone(client, own);
  const leave = (options: CallOptions = {}) =>
    bounded("leave", round.path, options, callKinds, async (call) => {
      try {
        await leaveRound(client, round, call);
      } finally {
        // The others must not wait for one who has given up; of one who has left, the znode is gone.
        held.release().catch(() => {});
      }
    });
  return { signal: held.signal, leave, [Symbol.asyncDispose]: () => leave() };
}

/** `gone`: its own znode was deleted. */
async function lookInside(
  client: ZooKeeper,
  path: string,
  own: Created,
  members: number,
  call: EndlessCall,
  look: Look,
): Promise<BarrierRound | "gone" | undefined> {
  const mine = await look.get(own.path);
  if (mine === undefined) return "gone";
  const openedZxid = mine.stat.mzxid;
  if (mine.stat.version > 0) {
    return { path, own: own.path, includes: (stat: Stat) => stat.mzxid === openedZxid };
  }
  const ready = await look.exists(childOf(path, READY));
  // One that is older is left from an earlier round.
  if (ready !== undefined && ready.czxid > own.stat.czxid) {
    return { path, own: own.path, includes: (stat: Stat) => stat.czxid < ready.czxid };
  }
  if (await letIn(client, path, members, ready !== undefined, call)) look.again();
  return undefined;
}

/** Lets in all that wait, if they are enough. Returns whether it may have been done, be it by somebody else. */
async function letIn(
  client: ZooKeeper,
  path: string,
  members: number,
  hasReady: boolean,
  call: EndlessCall,
): Promise<boolean> {
  const names = (await childrenOf(client, path, call)).filter((name) => name !== READY);
  if (names.length < members) return false;
  const waiting = (await readAll(client, path, names, call)).filter(({ stat }) => stat.version === 0);
  if (waiting.length < members) return false;
  const readyPath = childOf(path, READY);
  const ready: MultiOperation = hasReady
    ? { type: "check", path: readyPath }
    : { type: "create", path: readyPath };
  const marks = waiting.map(({ path, data }): MultiOperation => ({ type: "set", path, data, version: 0 }));
  try {
    await client.multi([ready, ...marks], call);
  } catch (error) {
    // Somebody has come, gone or done the same meanwhile.
    if (!ZooKeeperError.is(error, "NO_NODE", "BAD_VERSION", "NODE_EXISTS")) throw error;
  }
  return true;
}
