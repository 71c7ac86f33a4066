import { setTimeout as sleep } from "node:timers/promises";
import { figureSuite } from "../figure-suite.ts";
import { startAll } from "../load-suite.ts";
import { startEtcd } from "../peers/etcd.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Peer } from "../peers/peer.ts";
import { cpuSecondsOf } from "../peers/process-stats.ts";
import { startRedis } from "../peers/redis.ts";

/** CPU time is told in ticks of 10 ms: so long that one of them is 0.05 %. */
const idleSeconds = 20;

/** CPU time of who leads while nobody calls, in percent of a core. */
export const idleSuite = figureSuite({
  name: "idle",
  unit: "% of a core",
  needs: ["zookeeper", "etcd", "redis"],
  roundsMax: 3,
  pairs: [
    ["kvlab on Bun", "etcd"],
    ["kvlab on Node", "etcd"],
  ],
  async open({ version }) {
    const { peers, close } = await startAll<Peer>([
      () => startKvlab({ name: "kvlab on Bun", runtime: "bun", replicas: 2 }),
      () => startKvlab({ name: "kvlab on Node", runtime: "node", replicas: 2 }),
      startEtcd,
      startRedis,
    ]);
    for (const peer of peers) version(peer.name, peer.version);
    await sleep(5000);
    return { sides: peers.map((peer) => ({ name: peer.name, measure: () => idlePercentOf(peer) })), close };
  },
});

async function idlePercentOf(peer: Peer): Promise<number> {
  const [leader] = await peer.members();
  if (leader === undefined) throw new Error(`${peer.name} has no member`);
  const before = cpuSecondsOf(leader.pid);
  const begunMs = performance.now();
  await sleep(idleSeconds * 1000);
  return ((cpuSecondsOf(leader.pid) - before) / ((performance.now() - begunMs) / 1000)) * 100;
}
