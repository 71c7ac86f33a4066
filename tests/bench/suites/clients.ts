import { type LoadClient, startLoadClient } from "../clients/load-client.ts";
import { batchSize, type Work, works } from "../clients/messages.ts";
import { type KeyChoice, keyPrefix } from "../keys.ts";
import { loadSuite } from "../load-suite.ts";
import { type Kvlab, startKvlab } from "../peers/kvlab.ts";
import { type Redis, startRedis } from "../peers/redis.ts";
import { type Runtime, runtimes } from "../runtimes.ts";
import { counted, type Side } from "../side.ts";
import { callerCounts, type Size, sizes } from "../sizes.ts";
import type { Workload } from "../suite.ts";
import { runRedisBenchmark } from "../tools/redis-benchmark.ts";
import { randomText } from "../values.ts";

interface ClientWorkload extends Workload {
  readonly work: Work;
  readonly callers: number;
  readonly size: Size;
  readonly keyChoice: KeyChoice;
}

/** Deletes are of keys that are there, which are put before each round. */
const deleted = { set: 9, keys: 50_000 };
const pipelines = [1, 16] as const;

const clientName = (system: "kvlab" | "redis", runtime: Runtime) =>
  `${system === "kvlab" ? "KvClient" : "npm redis"} on ${runtime === "bun" ? "Bun" : "Node"}`;
const benchmarkName = (pipeline: number) =>
  pipeline === 1 ? "redis-benchmark" : `redis-benchmark -P ${pipeline}`;

/** Callers in one process over a client library, on kvlab and on Redis; and redis-benchmark, with a connection each. */
export const clientsSuite = loadSuite<ClientWorkload>({
  name: "clients",
  needs: ["zookeeper", "redis", "redisBenchmark"],
  workloads: [
    ...works.flatMap((work) => callerCounts.map((callers) => workloadOf(work, callers, "100B", "uniform"))),
    ...(["put", "get"] as const).flatMap((work) =>
      (["4KB", "256KB"] as const).map((size) => workloadOf(work, 32, size, "uniform")),
    ),
    ...(["put", "get", "90-10"] as const).map((work) => workloadOf(work, 128, "100B", "zipf")),
  ],
  async open() {
    const kvlab = await startKvlab({ name: "kvlab", runtime: "bun", replicas: 2 });
    let redis: Redis;
    try {
      redis = await startRedis();
    } catch (error) {
      await kvlab.close();
      throw error;
    }
    const clients = runtimes.flatMap((runtime) => [
      { peer: kvlab, runtime, client: startLoadClient(runtime, "kvlab", kvlab.router) },
      { peer: redis, runtime, client: startLoadClient(runtime, "redis", `${redis.port}`) },
    ]);
    /** Sets of keys that are there already, by system. */
    const filled = new Set<string>();
    const fill = async (peer: Kvlab | Redis, client: LoadClient, size: Size) => {
      if (filled.has(`${peer.name} ${size}`)) return;
      await client.fill(sizes[size]);
      filled.add(`${peer.name} ${size}`);
    };
    return {
      peers: [kvlab, redis],
      sidesOf(workload) {
        const redisClient = clients.find(({ peer }) => peer === redis)?.client;
        if (redisClient === undefined) throw new Error("no client of Redis runs");
        return [
          ...clients.map(({ peer, runtime, client }) =>
            clientSide({
              name: clientName(peer === kvlab ? "kvlab" : "redis", runtime),
              peer,
              client,
              workload,
              fill: () => fill(peer, client, workload.size),
            }),
          ),
          ...(canBenchmark(workload) ? pipelines : []).map((pipeline) =>
            benchmarkSide(redis, pipeline, workload, () => fill(redis, redisClient, workload.size)),
          ),
        ];
      },
      async close() {
        for (const { client } of clients) await client.close();
        await kvlab.close();
        await redis.close();
      },
    };
  },
});

function workloadOf(work: Work, callers: number, size: Size, keyChoice: KeyChoice): ClientWorkload {
  const workload = { work, callers, size, keyChoice };
  return {
    ...workload,
    name: `clients/${work}/${callers}/${size}${keyChoice === "zipf" ? "/zipf" : ""}`,
    compared: callers === 1 ? "p50" : "rate",
    pairs: runtimes.flatMap((runtime) => [
      [clientName("kvlab", runtime), clientName("redis", runtime)] as const,
      ...(canBenchmark(workload) ? pipelines : []).map(
        (pipeline) => [clientName("kvlab", runtime), benchmarkName(pipeline)] as const,
      ),
    ]),
  };
}

/** redis-benchmark makes one kind of call, with keys that all have the same chance, and looks at no answer but errors. */
function canBenchmark({ work, keyChoice }: Pick<ClientWorkload, "work" | "keyChoice">): boolean {
  return keyChoice === "uniform" && ["put", "get", "batch"].includes(work);
}

interface ClientSide {
  readonly name: string;
  readonly peer: Kvlab | Redis;
  readonly client: LoadClient;
  readonly workload: ClientWorkload;
  readonly fill: () => Promise<void>;
}

function clientSide({ name, peer, client, workload, fill }: ClientSide): Side {
  const order = { ...sizes[workload.size], ...workload };
  if (workload.work !== "delete") {
    return {
      name,
      peer,
      async prepare(seconds) {
        await fill();
        await client.run({ ...order, seconds });
      },
      measure: (seconds) => client.run({ ...order, seconds }),
    };
  }
  const deletes = { ...order, ...deleted };
  const refill = () => client.fill(deletes);
  return {
    name,
    peer,
    prepare: async (seconds) => {
      await refill();
      await client.run({ ...deletes, seconds });
    },
    refill,
    measure: (seconds) => client.run({ ...deletes, seconds }),
  };
}

function benchmarkSide(
  redis: Redis,
  pipeline: number,
  workload: ClientWorkload,
  fill: () => Promise<void>,
): Side {
  const { work, callers, size } = workload;
  const { set, keys, valueBytes } = sizes[size];
  const key = `${keyPrefix(set)}__rand_int__`;
  const value = randomText(valueBytes);
  const pairs = Array.from({ length: batchSize }, () => [key, value]).flat();
  const command = { put: ["SET", key], get: ["GET", key], batch: ["MSET", ...pairs.slice(0, -1)] }[
    work as "put"
  ];
  return counted({
    name: benchmarkName(pipeline),
    peer: redis,
    callsMin: callers * pipeline * 4,
    fill,
    async run(requests) {
      const missesBefore = await missesOf(redis);
      const load = await runRedisBenchmark({
        port: redis.port,
        connections: callers,
        pipeline,
        requests,
        command,
        keys,
        ...(work === "get" ? {} : { value }),
      });
      const failures = (await missesOf(redis)) - missesBefore;
      return failures === 0 ? load : { ...load, failures, failure: "keys were missing" };
    },
  });
}

/** How many reads have found nothing so far. */
async function missesOf(redis: Redis): Promise<number> {
  return Number(/^keyspace_misses:(\d+)/m.exec(await redis.info())?.[1]);
}
