import { acquireReadLock, acquireWriteLock } from "../../../../src/zookeeper/index.ts";
import { Holders, holdFor } from "../holders.ts";
import { inTurns, leavesNothing, type Workload } from "../workload.ts";

/** Never a writer with anybody else, of those with a live signal; no lock left behind. */
export const readWriteLockWorkload: Workload = {
  name: "read-write-lock",
  async run(round) {
    const { path, clients, random, signal } = round;
    const holders = new Holders(clients.length);
    await inTurns(round, 3, async (session, { name }) => {
      const writes = random() < 0.4;
      const acquire = writes ? acquireWriteLock : acquireReadLock;
      const held = await acquire(session, path, { identifier: name, signal });
      await holdFor(held, holders, random() * 30, writes ? clients.length : 1);
    });
  },
  check: (round) => leavesNothing(round, round.path),
};
