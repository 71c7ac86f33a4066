import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { KvClient } from "../../../src/client/index.ts";
import { until } from "../../support/until.ts";
import { overwrite } from "../log-size.ts";
import { startOpenLoop } from "../open-loop.ts";
import { type KvlabNode, patienceMs } from "../peers/kvlab.ts";
import { addressIn } from "../suites/grpc-side.ts";
import { aroundCompaction, type CompactionCost } from "./around-compaction.ts";
import { type GrowthClient, keySet } from "./work.ts";

export const steadyPutsPerSecond = 2000;

/** Half of what such a put adds to a log: so much nearer to being half of the log does its garbage come. */
const gainedBytesPerPut = 100;

/**
 * Brings the primary's log to where a steady load of puts soon makes a compaction begin, and watches it. The standby, with
 * the same log, compacts at the same time.
 */
export async function measureCompaction({ store, client }: GrowthClient): Promise<CompactionCost> {
  const address = await addressIn(store);
  const primary = store.nodes.find((node) => node.address === address);
  if (primary === undefined) throw new Error(`${store.name} has no primary`);
  // The load must last as long before it as it will take; the catch-up, which has copied the same keys, took longer.
  const secondsBefore = 2 + store.catchUpSeconds;
  await overwrite({
    client,
    fill: { ...keySet, keys: store.keys, stepPuts: 100 },
    address,
    leftBytesOf: () => secondsBefore * steadyPutsPerSecond * gainedBytesPerPut,
  });
  const kv = new KvClient({ routers: store.router, deadlineMs: 60_000 });
  const compaction = watchCompaction(primary);
  let failure: unknown;
  try {
    const put = async (key: string, value: string) => {
      try {
        await kv.put(key, value);
      } catch (error) {
        failure ??= error;
        throw error;
      }
    };
    const load = startOpenLoop({ put }, steadyPutsPerSecond);
    const time = await compaction.ended().finally(() => load.end());
    if (failure !== undefined) throw new Error(`a put failed: ${failure}`);
    return aroundCompaction(load.successes, time);
  } finally {
    compaction.close();
    kv.close();
  }
}

/** A rewritten log is made at `rbfile`, which is not there otherwise, and replaces the log at `dbfile`. */
function watchCompaction({ dbfile, rbfile }: KvlabNode) {
  let begunMs: number | undefined;
  let endedMs: number | undefined;
  const watcher = watch(dirname(dbfile), (event, file) => {
    if (file === basename(rbfile)) begunMs ??= performance.now();
    if (file === basename(dbfile) && event === "rename") endedMs ??= performance.now();
  });
  return {
    ended: () =>
      until("a compaction has ended", patienceMs, () => {
        return begunMs === undefined || endedMs === undefined ? undefined : { begunMs, endedMs };
      }),
    close: () => watcher.close(),
  };
}
