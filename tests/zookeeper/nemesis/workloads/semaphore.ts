import { acquireLease } from "../../../../src/zookeeper/index.ts";
import { Holders, holdFor } from "../holders.ts";
import { inTurns, leavesNothing, type Workload } from "../workload.ts";

const MAX_LEASES = 2;

/** Never more holders with a live signal than there are leases; no lease and no lock left behind. */
export const semaphoreWorkload: Workload = {
  name: "semaphore",
  async run(round) {
    const { path, random, signal } = round;
    const holders = new Holders(MAX_LEASES);
    await inTurns(round, 3, async (session, { name }) => {
      const held = await acquireLease(session, path, { maxLeases: MAX_LEASES, identifier: name, signal });
      await holdFor(held, holders, random() * 40);
    });
  },
  async check(round) {
    await leavesNothing(round, round.path);
    await leavesNothing(round, `${round.path}-__lock__`);
  },
};
