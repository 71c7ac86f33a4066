import type { Address } from "./address.ts";
import { parseGroupState } from "./codec.ts";
import { withLock } from "./lock.ts";
import type { Member } from "./model.ts";
import {
  dataLockPath,
  dataPath,
  groupPath,
  groupStatePath,
  groupTopPath,
  masterNumber,
  nodePath,
  routerPath,
  serverLockPath,
  serverPath,
  serverTopPath,
} from "./paths.ts";
import { getIfThere, settle, type Task, untilTouched, type Znode } from "./settle.ts";
import { ensureParents, type Holder, occupy, ownNumbers, raiseTop, takeNumber, vacate } from "./znodes.ts";

/** A place in the cluster that a process has got. */
export interface Claimed extends Member {
  /** The ephemeral znode that stands for it. */
  readonly znode: Znode;
  /** When this znode is touched, there may be a better place: the claim should be made again. */
  readonly coveted?: Znode;
}

/**
 * Gets the process its place, or confirms the place that it has in this session: it may be called again at any time.
 * Errors: ForeignContentError, CoordinationError.
 */
export type Claim = (task: Task) => Promise<Claimed>;

/**
 * A router becomes master (number 0) if there is none, or only what an earlier process at its own address has left;
 * else it gets the next number and covets the master's place.
 */
export function routerClaim(address: Address): Claim {
  return async (task) => {
    await ensureParents(task, [serverPath, serverLockPath]);
    return withLock(task, serverLockPath, address, async () => {
      const others = (await ownNumbers(task, serverPath)).filter((number) => number !== masterNumber);
      const master = await occupy(task, routerPath(masterNumber), address, { replaceSameAddress: true });
      if (!master.own) {
        if (!master.ephemeral) task.onTrouble(squatted(master, "no router can become master"));
        return { ...(await claimRouterNumber(task, address, others[0])), coveted: master };
      }
      for (const number of others) await vacate(task, routerPath(number));
      return claimed(masterNumber, master);
    });
  };
}

async function claimRouterNumber(task: Task, address: Address, own: number | undefined): Promise<Claimed> {
  for (let number = own; ; number = undefined) {
    number ??= await takeNumber(task, serverTopPath);
    const holder = await occupy(task, routerPath(number), address, { replaceSameAddress: false });
    if (holder.own) return claimed(number, holder);
  }
}

/**
 * A data node gets the number that its log's header names, else the next one, which it keeps from then on: the number
 * stands for the replica. Waits, and says so, while another session holds its number; but the znode of a process that
 * listened at our own address is a leftover, since we listen there now.
 */
export function dataNodeClaim(options: {
  group: string;
  address: Address;
  number: number | undefined;
}): Claim {
  const { group, address } = options;
  const topPath = groupTopPath(group);
  let kept = options.number;

  const occupyNumber = async (task: Task): Promise<[number, Holder]> => {
    if (kept !== undefined) {
      // The top may be missing or behind, if ZooKeeper was emptied.
      await raiseTop(task, topPath, kept + 1);
      return [kept, await occupy(task, nodePath(group, kept), address, { replaceSameAddress: true })];
    }
    await raiseTop(task, topPath, (await highestInSync(task, group)) + 1);
    for (;;) {
      const number = await takeNumber(task, topPath);
      kept = number;
      const holder = await occupy(task, nodePath(group, number), address, { replaceSameAddress: false });
      if (holder.own) return [number, holder];
      kept = undefined;
    }
  };

  return async (task) => {
    await ensureParents(task, [dataPath, dataLockPath, groupPath(group)]);
    for (;;) {
      const [number, holder] = await withLock(task, dataLockPath, address, () => occupyNumber(task));
      if (holder.own) return claimed(number, holder);
      task.onTrouble(
        holder.ephemeral ? heldBy(holder, number) : squatted(holder, "this node cannot register"),
      );
      await untilTouched(task, holder);
    }
  };
}

/**
 * Highest number in a group's in-sync set, 0 when there is none. A new node must never get one of these, not even when
 * the top was deleted: with an empty log it would pass for a replica that has everything.
 */
async function highestInSync(task: Task, group: string): Promise<number> {
  const path = groupStatePath(group);
  const found = await settle(task, () => getIfThere(task.session, path));
  if (found === undefined) return 0;
  return Math.max(0, ...parseGroupState(path, found.data).inSync.map((member) => member.number));
}

function claimed(number: number, { path, czxid }: Holder): Claimed {
  return { number, incarnation: czxid, znode: { path, czxid } };
}

function heldBy({ path, address }: Holder, number: number): string {
  return (
    `${path} is held by ${JSON.stringify(address.slice(0, 60))}, and ${number} is the number in our own log; waiting ` +
    "until that process or its session has ended; should it run on a copy of our log, stop one of the two"
  );
}

function squatted({ path }: Holder, consequence: string): string {
  return `${path} is not ephemeral, so it was made by none of ours; ${consequence} until it is deleted`;
}
