import assert from "node:assert/strict";
import { enterDoubleBarrier, ZooKeeperError } from "../../../../src/zookeeper/index.ts";
import type { NemesisClient } from "../client.ts";
import { pause } from "../faults.ts";
import { leavesNothing, type Round, type Workload } from "../workload.ts";

/** Uses of one barrier one after another, in each round. */
const USES = 2;

/** Nobody is in before all have come, and nobody out before all have left; all get in and out, unless one loses its session. */
export const doubleBarrierWorkload: Workload = {
  name: "double-barrier",
  async run(round) {
    let uses = 0;
    // One that a lost session has spoiled is followed by another, at a path of its own.
    for (let attempt = 1; uses < USES; attempt++) {
      round.signal.throwIfAborted();
      const path = `${round.path}/${attempt}`;
      while (uses < USES && (await use(round, path))) uses++;
    }
  },
  async check(round) {
    const { observer, path } = round;
    const { children } = await observer.children(path);
    for (const name of children) await leavesNothing(round, `${path}/${name}`);
  },
};

/** Whether all went in and out. */
async function use(round: Round, path: string): Promise<boolean> {
  const { clients, signal } = round;
  const spoiled = new AbortController();
  const abort = () => spoiled.abort();
  signal.addEventListener("abort", abort, { once: true });
  let isEarly = false;
  const [come, leaving] = [new Set<NemesisClient>(), new Set<NemesisClient>()];
  try {
    await Promise.all(
      clients.map(async (client) => {
        const session = await client.session();
        await pause(round.random() * 20);
        come.add(client);
        try {
          const options = { members: clients.length, signal: spoiled.signal };
          const inside = await enterDoubleBarrier(session, path, options);
          assert.equal(come.size, clients.length, "one was let in before all had come");
          await pause(round.random() * 20);
          leaving.add(client);
          await inside.leave({ signal });
          isEarly ||= leaving.size < clients.length;
        } catch (error) {
          if (!ZooKeeperError.is(error)) throw error;
          signal.throwIfAborted();
          if (!ZooKeeperError.is(error, "SESSION_EXPIRED", "ABORTED")) throw error;
          spoiled.abort();
        }
      }),
    );
  } finally {
    signal.removeEventListener("abort", abort);
  }
  if (spoiled.signal.aborted) return false;
  assert.equal(isEarly, false, "one was out before all had left");
  return true;
}
