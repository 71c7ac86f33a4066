import {
  acquireLock,
  type Held,
  tryLock,
  type ZooKeeper,
  ZooKeeperError,
} from "../../../../src/zookeeper/index.ts";
import { Holders, holdFor } from "../holders.ts";
import { inTurns, leavesNothing, type Round, type Workload } from "../workload.ts";

/** Never two holders with a live signal, no lock left behind, and each gets it who waits for it. */
export const lockWorkload: Workload = {
  name: "lock",
  async run(round) {
    const holders = new Holders(1);
    await inTurns(round, 3, async (session, client) => {
      const held = await take(session, round, client.name);
      if (held !== undefined) await holdFor(held, holders, round.random() * 30);
    });
  },
  check: (round) => leavesNothing(round, round.path),
};

/** Waits for the lock, tries, or gives up after a moment: then undefined. */
async function take(session: ZooKeeper, round: Round, identifier: string): Promise<Held | undefined> {
  const { path, random, signal } = round;
  const way = random();
  if (way < 0.2) return tryLock(session, path, { identifier, signal });
  if (way < 0.7) return acquireLock(session, path, { identifier, signal });
  try {
    return await acquireLock(session, path, { identifier, signal, deadlineMs: 1 + random() * 60 });
  } catch (error) {
    if (ZooKeeperError.is(error, "DEADLINE_EXCEEDED")) return undefined;
    throw error;
  }
}
