import assert from "node:assert/strict";
import { campaign, currentLeader, watchLeader, ZooKeeperError } from "../../../../src/zookeeper/index.ts";
import { Holders, holdFor } from "../holders.ts";
import { inTurns, leavesNothing, type Round, type Workload } from "../workload.ts";

/** Never two leaders with a live signal, each leads who waits for it; who watches sees in the end that nobody leads. */
export const electionWorkload: Workload = {
  name: "election",
  async run(round) {
    const { path, random, signal } = round;
    const holders = new Holders(1);
    await inTurns(round, 2, async (session, { name }) => {
      const lead = campaign(session, path, (held) => holdFor(held, holders, random() * 40), {
        identifier: name,
        signal,
      });
      await lead;
    });
  },
  async check(round) {
    await leavesNothing(round, round.path);
    assert.equal(await currentLeader(round.observer, round.path), undefined);
    await seesNobody(round);
  },
};

async function seesNobody({ observer, path, signal }: Round): Promise<void> {
  try {
    for await (const leader of watchLeader(observer, path, { signal })) if (leader === undefined) return;
  } catch (error) {
    if (!ZooKeeperError.is(error, "ABORTED")) throw error;
    throw new Error("who watches still sees a leader");
  }
}
