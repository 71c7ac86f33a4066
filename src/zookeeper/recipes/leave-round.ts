import { childOf } from "../paths.ts";
import type { Stat } from "../znode.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { type EndlessCall, unlessAborted } from "./bounded.ts";
import { deleteSurely } from "./delete-surely.ts";
import { childrenOf } from "./missing.ts";
import { readAll } from "./read-all.ts";
import { type Look, waitUntil } from "./wait-until.ts";

/** Those who were let in together. */
export interface BarrierRound {
  readonly path: string;
  /** Its own znode. */
  readonly own: string;
  /** Whether the one with this stat was let in as well. */
  includes(stat: Stat): boolean;
}

/** The name of the znode that tells those of kazoo that all have come. */
export const READY = "ready";

/**
 * Waits until all of a round of a double barrier have left. The one with the lowest name goes last: it waits for the
 * others, one after another, and the others go and wait for it. So each waits for one znode (ZooKeeper's recipe, and
 * kazoo's). Those who have come since do not count: they wait for others themselves.
 */
export async function leaveRound(client: ZooKeeper, round: BarrierRound, call: EndlessCall): Promise<void> {
  const { path } = round;
  // Those of kazoo take it for a sign that they are let in.
  await unlessAborted(path, call.signal, deleteSurely(client, childOf(path, READY)));
  let together: ReadonlySet<string> | undefined;
  await waitUntil(client, path, call, async (look) => {
    const children = await childrenOf(client, path, call);
    together ??= await namesOf(client, round, children, call);
    const left = children.filter((name) => together?.has(name)).sort();
    return (await leaveOrWait(client, round, left, call, look)) ? true : undefined;
  });
}

/** Whether all have left. */
async function leaveOrWait(
  client: ZooKeeper,
  { path, own }: BarrierRound,
  left: readonly string[],
  call: EndlessCall,
  look: Look,
): Promise<boolean> {
  const [lowest] = left;
  if (lowest === undefined) return true;
  const isLowest = childOf(path, lowest) === own;
  if (isLowest && left.length > 1) {
    const highest = childOf(path, left.at(-1) ?? lowest);
    if ((await look.get(highest)) === undefined) look.again();
    return false;
  }
  if (isLowest || left.some((name) => childOf(path, name) === own)) {
    await unlessAborted(path, call.signal, deleteSurely(client, own));
    if (isLowest) return true;
  }
  if ((await look.get(childOf(path, lowest))) === undefined) look.again();
  return false;
}

async function namesOf(
  client: ZooKeeper,
  round: BarrierRound,
  children: readonly string[],
  call: EndlessCall,
): Promise<ReadonlySet<string>> {
  const found = await readAll(
    client,
    round.path,
    children.filter((name) => name !== READY),
    call,
  );
  return new Set(found.filter(({ stat }) => round.includes(stat)).map(({ name }) => name));
}
