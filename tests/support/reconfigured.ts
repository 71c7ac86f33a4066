import { type Reconfiguration, type ZooKeeper, ZooKeeperError } from "../../src/zookeeper/index.ts";
import { until } from "./until.ts";

/**
 * Repeats a change of the ensemble until it is made: it is refused before those who join have caught up, and its answer is
 * lost when the leader leaves. Doing it twice does no harm.
 */
export function reconfigured(client: ZooKeeper, change: Reconfiguration) {
  return until("the ensemble is changed", 60_000, async () => {
    try {
      return await client.reconfig(change);
    } catch (error) {
      if (ZooKeeperError.is(error, "NEW_CONFIG_NO_QUORUM", "RECONFIG_IN_PROGRESS", "CONNECTION_LOSS")) {
        return undefined;
      }
      throw error;
    }
  });
}
