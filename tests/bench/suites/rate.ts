import { until } from "../../support/until.ts";
import { type LoadClient, startLoadClient } from "../clients/load-client.ts";
import { loadSuite, startAll } from "../load-suite.ts";
import { overwrite, sizeOfLog } from "../log-size.ts";
import { startEtcd } from "../peers/etcd.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Peer } from "../peers/peer.ts";
import type { Side } from "../side.ts";
import type { Workload } from "../suite.ts";
import { runH2load } from "../tools/h2load.ts";
import { addressIn, grpcSide, grpcWork } from "./grpc-side.ts";

const inFlight = 128;
/** Of the highest rate. */
const part = 0.7;
/** So many that compaction takes longer than a moment. */
const compacted = { set: 8, keys: 200_000, valueBytes: 100 } as const;

/** Latency of puts that come at a steady rate, whatever becomes of those before, at 70 % of the highest rate. */
export const rateSuite = loadSuite<Workload>({
  name: "rate",
  needs: ["zookeeper", "etcd", "h2load"],
  workloads: [
    {
      name: `rate/put/${inFlight}/100B`,
      compared: "p99",
      pairs: [
        ["kvlab", "etcd"],
        ["kvlab, compacting", "kvlab"],
      ],
    },
  ],
  async open() {
    const kvlab = await startKvlab({ name: "kvlab", runtime: "bun", replicas: 2 });
    const { peers, close } = await startAll<Peer>([async () => kvlab, startEtcd]);
    const client = startLoadClient("bun", "kvlab", kvlab.router);
    return {
      peers,
      sidesOf: () => [...peers.map((peer) => steadySide(peer)), compacting(steadySide(kvlab), client)],
      async close() {
        await client.close();
        await close();
      },
    };
  },
});

function steadySide(peer: Peer): Side {
  const settings = { peer, work: "put", inFlight, size: "100B" } as const;
  const { call } = grpcWork(settings);
  const closed = grpcSide(settings);
  let requestsPerSecond = 0;
  return {
    name: peer.name,
    peer,
    async prepare(seconds) {
      await closed.prepare(seconds);
      const { operations, seconds: took } = await closed.measure(seconds);
      requestsPerSecond = (part * operations) / took;
    },
    measure: async (seconds) =>
      runH2load({
        address: await addressIn(peer),
        call,
        inFlight,
        requests: Math.ceil(requestsPerSecond * seconds),
        requestsPerSecond,
      }),
  };
}

/** The same with a compaction that begins soon after the round has: without it, the round is an error. */
function compacting(side: Side, client: LoadClient): Side {
  return {
    ...side,
    name: `${side.name}, compacting`,
    async prepare(seconds) {
      await client.fill(compacted);
      await side.prepare(seconds);
    },
    async refill() {
      await overwrite({
        client,
        fill: compacted,
        address: await addressIn(side.peer),
        leftBytesOf: (logBytes) => 0.001 * logBytes,
      });
    },
    async measure(seconds) {
      const before = await sizeOfLog(await addressIn(side.peer));
      const load = await side.measure(seconds);
      // No write has come since, so what ends now has begun in that time.
      await until("the compaction has ended", 300_000, async () => {
        return (await sizeOfLog(await addressIn(side.peer))).logBytes < before.logBytes;
      });
      return load;
    },
  };
}
