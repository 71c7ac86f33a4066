import { batchSize, scanSize } from "../clients/messages.ts";
import { keyOf } from "../keys.ts";
import { startEtcd } from "../peers/etcd.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Peer } from "../peers/peer.ts";
import { counted, type Side } from "../side.ts";
import { callerCounts, type Size, sizes } from "../sizes.ts";
import { callOnce, type GrpcCall } from "../tools/grpc.ts";
import { etcdCalls, kvlabCalls } from "../tools/grpc-calls.ts";
import { runH2load } from "../tools/h2load.ts";
import { randomText } from "../values.ts";
import type { Suite, Workload } from "../workload.ts";

type Work = "put" | "get" | "batch" | "scan";

interface GrpcWorkload extends Workload {
  readonly work: Work;
  readonly inFlight: number;
  readonly size: Size;
}

const clusters = [
  { name: "kvlab", runtime: "bun", replicas: 2 },
  { name: "kvlab on Node", runtime: "node", replicas: 2 },
  { name: "kvlab of 3", runtime: "bun", replicas: 3 },
] as const;

/**
 * Unary calls of plain gRPC, by h2load, on kvlab and on etcd. h2load sends the same bytes again and again: the same key.
 * etcd has three nodes, of which a majority must sync; so two replicas that both sync wait for as many disks.
 */
export const grpcSuite: Suite<GrpcWorkload> = {
  name: "grpc",
  needs: ["zookeeper", "etcd", "h2load"],
  workloads: [
    ...(["put", "get", "batch", "scan"] as const).flatMap((work) =>
      callerCounts.map((inFlight) => workloadOf(work, inFlight, "100B")),
    ),
    ...(["put", "get"] as const).flatMap((work) =>
      (["4KB", "256KB"] as const).map((size) => workloadOf(work, 32, size)),
    ),
  ],
  async open() {
    const peers: Peer[] = [];
    const close = async () => {
      for (const peer of peers) await peer.close();
    };
    try {
      for (const cluster of clusters) peers.push(await startKvlab(cluster));
      peers.push(await startEtcd());
    } catch (error) {
      await close();
      throw error;
    }
    return { peers, sidesOf: (workload) => peers.map((peer) => sideOf(peer, workload)), close };
  },
};

function workloadOf(work: Work, inFlight: number, size: Size): GrpcWorkload {
  return {
    name: `grpc/${work}/${inFlight}/${size}`,
    work,
    inFlight,
    size,
    // One caller waits; many fill the machine.
    compared: inFlight === 1 ? "p50" : "rate",
    ratios: clusters.map(({ name }) => [name, "etcd"] as const),
  };
}

function sideOf(peer: Peer, { work, inFlight, size }: GrpcWorkload): Side {
  const calls = peer.name === "etcd" ? etcdCalls : kvlabCalls;
  const { valueBytes, set } = sizes[size];
  const value = Buffer.from(randomText(valueBytes));
  const pairOf = (index: number) => [keyOf(set, index), value] as const;
  const pairs = (count: number) => Array.from({ length: count }, (_, index) => pairOf(index));
  const call: Record<Work, () => GrpcCall> = {
    put: () => calls.put(pairOf(0)),
    get: () => calls.get(keyOf(set, 0)),
    batch: () => calls.batch(pairs(batchSize)),
    scan: () => calls.scan(keyOf(set, 0), scanSize),
  };
  return counted({
    name: peer.name,
    peer,
    callsMin: inFlight * 4,
    async fill() {
      await callOnce(await leaderOf(peer), pairs(work === "scan" ? scanSize : 1).map(calls.put));
    },
    run: async (requests) =>
      runH2load({ address: await leaderOf(peer), call: call[work](), inFlight, requests }),
  });
}

/** Straight to who leads, on both sides. */
async function leaderOf(peer: Peer): Promise<string> {
  const [leader] = await peer.members();
  if (leader === undefined) throw new Error(`${peer.name} has no members`);
  return leader.address;
}
