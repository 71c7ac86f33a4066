import { loadSuite, startAll } from "../load-suite.ts";
import { startEtcd } from "../peers/etcd.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Peer } from "../peers/peer.ts";
import { callerCounts, type Size } from "../sizes.ts";
import type { Workload } from "../suite.ts";
import { type GrpcWork, grpcSide } from "./grpc-side.ts";

interface GrpcWorkload extends Workload {
  readonly work: GrpcWork;
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
export const grpcSuite = loadSuite<GrpcWorkload>({
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
    const starts = clusters.map((cluster) => () => startKvlab(cluster));
    const { peers, close } = await startAll<Peer>([...starts, startEtcd]);
    return {
      peers,
      sidesOf: ({ work, inFlight, size }) => peers.map((peer) => grpcSide({ peer, work, inFlight, size })),
      close,
    };
  },
});

function workloadOf(work: GrpcWork, inFlight: number, size: Size): GrpcWorkload {
  return {
    name: `grpc/${work}/${inFlight}/${size}`,
    work,
    inFlight,
    size,
    // One caller waits; many fill the machine.
    compared: inFlight === 1 ? "p50" : "rate",
    pairs: clusters.map(({ name }) => [name, "etcd"] as const),
  };
}
