import { startLoadClient } from "../clients/load-client.ts";
import { figureSuite } from "../figure-suite.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Peer } from "../peers/peer.ts";
import { memoryBytesOf } from "../peers/process-stats.ts";
import { startRedis } from "../peers/redis.ts";
import type { Runtime } from "../runtimes.ts";

const keys = { set: 1, keys: 1_000_000, valueBytes: 100 } as const;

/** What a primary has in RAM with 1,000,000 keys of 20 bytes with 100, beside Redis, which has the values there, too. */
export const memorySuite = figureSuite({
  name: "memory/1000000",
  unit: "MB",
  needs: ["zookeeper", "redis"],
  roundsMax: 1,
  pairs: [
    ["kvlab on Bun", "redis"],
    ["kvlab on Node", "redis"],
  ],
  async open({ version }) {
    const kvlab = (name: string, runtime: Runtime) => ({
      name,
      measure: () =>
        memoryOf({
          system: "kvlab",
          start: () => startKvlab({ name, runtime, replicas: 2 }),
          placeOf: ({ router }) => router,
        }),
    });
    /** Megabytes of who leads a new cluster, once all keys are there. */
    const memoryOf = async <P extends Peer>(settings: {
      readonly system: "kvlab" | "redis";
      readonly start: () => Promise<P>;
      readonly placeOf: (peer: P) => string;
    }) => {
      const peer = await settings.start();
      version(peer.name, peer.version);
      const client = startLoadClient("bun", settings.system, settings.placeOf(peer));
      try {
        await client.fill(keys);
        const [leader] = await peer.members();
        return leader === undefined ? Number.NaN : memoryBytesOf(leader.pid) / 1e6;
      } finally {
        await client.close();
        await peer.close();
      }
    };
    return {
      sides: [
        kvlab("kvlab on Bun", "bun"),
        kvlab("kvlab on Node", "node"),
        {
          name: "redis",
          measure: () => memoryOf({ system: "redis", start: startRedis, placeOf: ({ port }) => `${port}` }),
        },
      ],
      async close() {},
    };
  },
});
