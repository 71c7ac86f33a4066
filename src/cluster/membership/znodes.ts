import { type Address, parseAddress } from "../../common/address.ts";
import { CoordinationError, type CoordinationErrorCode } from "../../coordination/coordination.ts";
import { encodeText, parseTop } from "../metadata/codec.ts";
import { parseNumber } from "../metadata/paths.ts";
import { getIfThere, retryOnConnectionLoss, type Task } from "../metadata/retry-on-connection-loss.ts";

/** Steps of a registration. Each of them may be done again, or anew by another process, without harm. */

/** Makes persistent znodes without data where there are none; parents come before their children. */
export async function ensureParents(task: Task, paths: readonly string[]): Promise<void> {
  const { session, access } = task;
  for (const path of paths) {
    await retryOnConnectionLoss(task, async () => {
      if ((await session.exists(path)) !== undefined) return;
      await ignoring(["NODE_EXISTS"], session.create(path, new Uint8Array(), "persistent", access));
    });
  }
}

/** The next number of `topPath`, which nobody else will get. Call it under the lock. Errors: ForeignContentError. */
export async function takeNumber(task: Task, topPath: string): Promise<number> {
  const top = await retryOnConnectionLoss(task, () => getIfThere(task.session, topPath));
  const number = top === undefined ? 1 : Math.max(1, parseTop(topPath, top.data));
  // Before the number is used: whoever dies in between loses a number, and no number is ever used twice.
  await raiseTop(task, topPath, number + 1);
  return number;
}

/** Makes the number of `topPath` at least `least`. Errors: ForeignContentError. */
export async function raiseTop(task: Task, topPath: string, least: number): Promise<void> {
  const { session, access } = task;
  const data = encodeText(String(least));
  await retryOnConnectionLoss(task, async () => {
    for (;;) {
      const top = await getIfThere(session, topPath);
      if (top === undefined) {
        await ignoring(["NODE_EXISTS"], session.create(topPath, data, "persistent", access));
      } else if (parseTop(topPath, top.data) < least) {
        await ignoring(["BAD_VERSION", "NO_NODE"], session.set(topPath, data, top.stat.version));
      } else {
        return;
      }
    }
  });
}

/** Who has an ephemeral znode. */
export interface Holder {
  readonly path: string;
  readonly czxid: string;
  /** Whether it is this session. */
  readonly own: boolean;
  readonly ephemeral: boolean;
  /** Its address; anything, when the znode is not of ours. */
  readonly address: string;
}

/** Makes the ephemeral znode of this session with this address, unless another has it; says who has it now. */
export async function occupy(task: Task, path: string, address: Address): Promise<Holder> {
  const { session, access } = task;
  return retryOnConnectionLoss(task, async () => {
    for (;;) {
      const found = await getIfThere(session, path);
      if (found === undefined) {
        await ignoring(["NODE_EXISTS"], session.create(path, encodeText(address), "ephemeral", access));
        continue;
      }
      const { czxid, own, ephemeral, version } = found.stat;
      const holder = new TextDecoder().decode(found.data);
      if (!own || holder === address) return { path, czxid, own, ephemeral, address: holder };
      await ignoring(["BAD_VERSION", "NO_NODE"], session.delete(path, version));
    }
  });
}

/** Deletes the numbered ephemeral znodes of other sessions in `parent` that have this address. */
export async function clearOthers(task: Task, parent: string, address: Address): Promise<void> {
  const { session } = task;
  await retryOnConnectionLoss(task, async () => {
    for (const name of await session.children(parent)) {
      if (parseNumber(name) === undefined) continue;
      const path = `${parent}/${name}`;
      const found = await getIfThere(session, path);
      if (found === undefined || found.stat.own || !found.stat.ephemeral) continue;
      if (parseAddress(new TextDecoder().decode(found.data)) !== address) continue;
      await ignoring(["BAD_VERSION", "NO_NODE"], session.delete(path, found.stat.version));
    }
  });
}

/** Numbers of the znodes in `parent` that are of this session, rising. */
export async function ownNumbers(task: Task, parent: string): Promise<number[]> {
  const { session } = task;
  return retryOnConnectionLoss(task, async () => {
    const numbers = (await session.children(parent))
      .map(parseNumber)
      .filter((number) => number !== undefined);
    const stats = await Promise.all(numbers.map((number) => session.exists(`${parent}/${number}`)));
    return numbers.filter((_, index) => stats[index]?.own).sort((a, b) => a - b);
  });
}

/** Deletes a znode of this session, if it is there. */
export async function vacate(task: Task, path: string): Promise<void> {
  const { session } = task;
  await retryOnConnectionLoss(task, async () => {
    const stat = await session.exists(path);
    if (stat?.own) await ignoring(["NO_NODE"], session.delete(path, stat.version));
  });
}

async function ignoring(codes: CoordinationErrorCode[], call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!CoordinationError.is(error, ...codes)) throw error;
  }
}
