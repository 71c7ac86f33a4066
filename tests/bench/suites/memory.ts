import { startLoadClient } from "../clients/load-client.ts";
import { figureSuite } from "../figure-suite.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Peer } from "../peers/peer.ts";
import { memoryBytesOf } from "../peers/process-stats.ts";
import { startRedis } from "../peers/redis.ts";
import type { Runtime } from "../runtimes.ts";

const keys = { set: 1, keys: 1_000_000, valueBytes: 100 } as const;

/** With a call for each key the filling takes many minutes: so the calls that a server has dealt with are made after it. */
const filling = { ...keys, stepPuts: 100 } as const;
const puts = { ...keys, work: "put", keyChoice: "uniform", callers: 128, seconds: 10 } as const;

/**
 * What a primary has in RAM with 1,000,000 keys of 20 bytes with 100, after some puts, beside Redis, which has the values
 * there, too; and beside Redis with a sorted set of the keys, without which it cannot scan them in order.
 */
export const memorySuite = figureSuite({
  name: "memory/1000000",
  unit: "MB",
  needs: ["zookeeper", "redis"],
  roundsMax: 1,
  pairs: [
    ["kvlab on Bun", "redis"],
    ["kvlab on Node", "redis"],
    ["kvlab on Bun", "redis with keys in order"],
    ["kvlab on Node", "redis with keys in order"],
  ],
  async open({ version, progress }) {
    const kvlab = (name: string, runtime: Runtime) => ({
      name,
      measure: () =>
        memoryOf({
          name,
          system: "kvlab",
          start: () => startKvlab({ name, runtime, replicas: 2 }),
          placeOf: ({ router }) => router,
        }),
    });
    const redis = (name: string, unordered: boolean) => ({
      name,
      measure: () =>
        memoryOf({ name, system: "redis", start: startRedis, placeOf: ({ port }) => `${port}`, unordered }),
    });
    /** Megabytes of who leads a new cluster, once all keys are there. */
    const memoryOf = async <P extends Peer>(settings: {
      readonly name: string;
      readonly system: "kvlab" | "redis";
      readonly start: () => Promise<P>;
      readonly placeOf: (peer: P) => string;
      readonly unordered?: boolean;
    }) => {
      const peer = await settings.start();
      version(peer.name, peer.version);
      const client = startLoadClient("bun", settings.system, settings.placeOf(peer));
      try {
        progress(`memory: ${settings.name} is filled`);
        await client.fill({ ...filling, unordered: settings.unordered ?? false });
        const { failure } = await client.run(puts);
        if (failure !== undefined) throw new Error(`a put failed: ${failure}`);
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
        redis("redis", true),
        redis("redis with keys in order", false),
      ],
      async close() {},
    };
  },
});
