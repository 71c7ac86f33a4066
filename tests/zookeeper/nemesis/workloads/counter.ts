import assert from "node:assert/strict";
import { Counter, ZooKeeperError } from "../../../../src/zookeeper/index.ts";
import type { Round, Workload } from "../workload.ts";

const ADDITIONS = 5;

/** How many were made, by round, and how many may have been. */
const made = new WeakMap<Round, { certain: number; uncertain: number }>();

/** What was added is counted once, and nothing else; only the end of a session leaves it uncertain. */
export const counterWorkload: Workload = {
  name: "counter",
  async run(round) {
    const sums = { certain: 0, uncertain: 0 };
    made.set(round, sums);
    await Promise.all(
      round.clients.map(async (client) => {
        for (let done = 0; done < ADDITIONS; ) {
          const session = await client.session();
          const counter = new Counter(session, round.path);
          try {
            for (; done < ADDITIONS; done++) {
              await counter.add(1, { signal: round.signal });
              sums.certain++;
            }
          } catch (error) {
            if (!ZooKeeperError.is(error, "SESSION_EXPIRED")) throw error;
            if (!error.maybeApplied) continue;
            sums.uncertain++;
            done++;
          }
        }
      }),
    );
  },
  async check(round) {
    const { observer, path } = round;
    await observer.sync(path);
    const value = await new Counter(observer, path).value();
    const { certain, uncertain } = made.get(round) ?? assert.fail("the round was run");
    assert.ok(
      value >= certain && value <= certain + uncertain,
      `it is ${value}; ${certain} were added, and ${uncertain} may have been`,
    );
  },
};
