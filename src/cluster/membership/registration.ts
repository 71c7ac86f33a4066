import type { Address } from "../../common/address.ts";
import { parseGroupState } from "../metadata/codec.ts";
import type { Member } from "../metadata/model.ts";
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
} from "../metadata/paths.ts";
import {
  getIfThere,
  retryOnConnectionLoss,
  type Task,
  untilTouched,
  type Znode,
} from "../metadata/retry-on-connection-loss.ts";
import { withLock } from "./zk-lock.ts";
import {
  clearOthers,
  ensureParents,
  type Holder,
  occupy,
  ownNumbers,
  raiseTop,
  takeNumber,
  vacate,
} from "./znodes.ts";

/** A place in the cluster that a process has got. */
export interface Registered extends Member {
  /** The ephemeral znode that stands for it. */
  readonly znode: Znode;
  /** When this znode is touched, there may be a better place: the claim should be made again. */
  readonly coveted?: Znode;
}

/**
 * Gets the process its place, or confirms the place that it has in this session: it may be called again at any time.
 * Errors: ForeignContentError, CoordinationError.
 */
export type Register = (task: Task) => Promise<Registered>;

/** Who answers at an address: the process that asks, another, or nobody whom it can reach from where it is. */
export type AskWhoAnswers = (address: Address, signal: AbortSignal) => Promise<"self" | "other" | "nobody">;

/**
 * A router becomes master (number 0) if there is none; else it gets the next number and covets the master's place.
 */
export function registerRouter(address: Address, whoAnswers: AskWhoAnswers): Register {
  const prove = addressProof(address, whoAnswers);
  return async (task) => {
    const clear = await prove(task);
    await ensureParents(task, [serverPath, serverLockPath]);
    return withLock(task, serverLockPath, address, async () => {
      await clear(serverPath);
      const others = (await ownNumbers(task, serverPath)).filter((number) => number !== masterNumber);
      const master = await occupy(task, routerPath(masterNumber), address);
      if (!master.own) {
        if (!master.ephemeral) task.onDiagnostic(squatted(master, "no router can become master"));
        return { ...(await registerRouterNumber(task, address, others[0])), coveted: master };
      }
      for (const number of others) await vacate(task, routerPath(number));
      return claimed(masterNumber, master);
    });
  };
}

async function registerRouterNumber(
  task: Task,
  address: Address,
  own: number | undefined,
): Promise<Registered> {
  for (let number = own; ; number = undefined) {
    number ??= await takeNumber(task, serverTopPath);
    const holder = await occupy(task, routerPath(number), address);
    if (holder.own) return claimed(number, holder);
  }
}

/**
 * A data node gets the number that its log's header names, else the next one, which it keeps from then on: the number
 * stands for the replica. Waits, and says so, while another session holds its number.
 */
export function registerDataNode(options: {
  group: string;
  address: Address;
  number: number | undefined;
  whoAnswers: AskWhoAnswers;
}): Register {
  const { group, address } = options;
  const prove = addressProof(address, options.whoAnswers);
  const topPath = groupTopPath(group);
  let kept = options.number;

  const occupyNumber = async (task: Task): Promise<[number, Holder]> => {
    if (kept !== undefined) {
      // The top may be missing or behind, if ZooKeeper was emptied.
      await raiseTop(task, topPath, kept + 1);
      return [kept, await occupy(task, nodePath(group, kept), address)];
    }
    await raiseTop(task, topPath, (await highestInSync(task, group)) + 1);
    for (;;) {
      const number = await takeNumber(task, topPath);
      kept = number;
      const holder = await occupy(task, nodePath(group, number), address);
      if (holder.own) return [number, holder];
      kept = undefined;
    }
  };

  return async (task) => {
    for (;;) {
      const clear = await prove(task);
      await ensureParents(task, [dataPath, dataLockPath, groupPath(group)]);
      const [number, holder] = await withLock(task, dataLockPath, address, async () => {
        await clear(groupPath(group));
        return await occupyNumber(task);
      });
      if (holder.own) return claimed(number, holder);
      task.onDiagnostic(
        holder.ephemeral ? heldBy(holder, number) : squatted(holder, "this node cannot register"),
      );
      await untilTouched(task, holder);
    }
  };
}

/**
 * Proves before each claim that the address leads to this process, and not to another that has been given the same one to
 * announce: that is left alone. Returns how to clear away, when the lock is held, what an earlier process at the address
 * has left, so that a restart need not wait for its session to end.
 *
 * That is done once. Later, whoever registers with the address is another process: two machines may have the same private
 * address, and each of them reach itself at it.
 */
function addressProof(address: Address, whoAnswers: AskWhoAnswers) {
  let isCleared = false;
  /** From here one can see where the address leads, and it has led to another. */
  let wasTaken = false;
  return async (task: Task): Promise<(parent: string) => Promise<void>> => {
    const answerer = await whoAnswers(address, task.signal);
    wasTaken = answerer === "other" || (wasTaken && answerer === "nobody");
    if (wasTaken) throw new AddressTaken(address);
    if (answerer === "nobody") {
      task.onDiagnostic(
        `nobody answers at ${address}, which this process announces, as far as can be seen from here`,
      );
    }
    return async (parent) => {
      if (answerer !== "self" || isCleared) return;
      await clearOthers(task, parent, address);
      isCleared = true;
    };
  };
}

/** Another process answers at the address that this one announces. */
class AddressTaken extends Error {
  override readonly name = "AddressTaken";

  constructor(address: Address) {
    super(
      `another process answers at ${address}, which this one announces too (announce); it is left alone, and this one ` +
        "waits until the address leads here; give each process an address of its own",
    );
  }
}

/**
 * Highest number in a group's in-sync set, 0 when there is none. A new node must never get one of these, not even when
 * the top was deleted: with an empty log it would pass for a replica that has everything.
 */
async function highestInSync(task: Task, group: string): Promise<number> {
  const path = groupStatePath(group);
  const found = await retryOnConnectionLoss(task, () => getIfThere(task.session, path));
  if (found === undefined) return 0;
  return Math.max(0, ...parseGroupState(path, found.data).inSync.map((member) => member.number));
}

function claimed(number: number, { path, czxid }: Holder): Registered {
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
