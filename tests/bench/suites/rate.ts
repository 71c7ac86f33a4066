import { createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { until } from "../../support/until.ts";
import { type LoadClient, startLoadClient } from "../clients/load-client.ts";
import { loadSuite, startAll } from "../load-suite.ts";
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

/** What a put of these adds to a log, at most. */
const recordBytesMax = 500;

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
  const sizeOfLog = async () => {
    const transports = createTransports();
    try {
      const data = createClient(DataService, transports.transportTo(await addressIn(side.peer)));
      const { logBytes, garbageBytes } = await data.status({});
      return { logBytes: Number(logBytes), garbageBytes: Number(garbageBytes) };
    } finally {
      transports.close();
    }
  };
  return {
    ...side,
    name: `${side.name}, compacting`,
    async prepare(seconds) {
      await client.fill(compacted);
      await side.prepare(seconds);
    },
    /** Overwrites until a little more garbage makes compaction begin: it does when half of the log is garbage. */
    async refill() {
      for (;;) {
        const { logBytes, garbageBytes } = await sizeOfLog();
        const missingBytes = 0.499 * logBytes - garbageBytes;
        if (missingBytes < 0) return;
        const puts = Math.ceil(missingBytes / recordBytesMax);
        await client.fill({ ...compacted, keys: Math.min(compacted.keys, Math.max(200, puts)) });
      }
    },
    async measure(seconds) {
      const before = await sizeOfLog();
      const load = await side.measure(seconds);
      // No write has come since, so what ends now has begun in that time.
      await until("the compaction has ended", 60_000, async () => {
        return (await sizeOfLog()).logBytes < before.logBytes;
      });
      return load;
    },
  };
}
