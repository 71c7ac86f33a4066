import {
  acquireLock,
  type Held,
  tryLock,
  type ZooKeeper,
  ZooKeeperError,
} from "../../../../src/zookeeper/index.ts";
import { pause } from "../faults.ts";
import { Holders } from "../holders.ts";
import { leavesNothing, type Round, type Workload } from "../workload.ts";

/** Never two holders with a live signal, no lock left behind, and each gets it who waits for it. */
export const lockWorkload: Workload = {
  name: "lock",
  async run(round) {
    const holders = new Holders(1);
    await Promise.all(
      round.clients.map(async (client) => {
        for (let time = 0; time < 3; time++) {
          await client.perform(async (session) => {
            const held = await take(session, round, client.name);
            if (held === undefined) return;
            await holdFor(held, holders, round.random() * 30);
          });
        }
      }),
    );
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

/** Is a holder for some time, and gives back what it has. */
export async function holdFor(held: Held, holders: Holders, ms: number): Promise<void> {
  try {
    await holders.enter(held);
    await pause(ms);
    holders.leave(held);
  } finally {
    await held.release();
  }
}
