import { batchSize, scanSize } from "../clients/messages.ts";
import { keyOf } from "../keys.ts";
import type { Peer } from "../peers/peer.ts";
import { counted, type Side } from "../side.ts";
import { type Size, sizes } from "../sizes.ts";
import { callOnce, type GrpcCall } from "../tools/grpc.ts";
import { etcdCalls, kvlabCalls } from "../tools/grpc-calls.ts";
import { runH2load } from "../tools/h2load.ts";
import { randomText } from "../values.ts";

export type GrpcWork = "put" | "get" | "batch" | "scan";

export interface GrpcSideSettings {
  readonly peer: Peer;
  /** Another name than the peer's. */
  readonly name?: string;
  /** Role of the process that is called; who leads by default. */
  readonly through?: string;
  readonly work: GrpcWork;
  readonly inFlight: number;
  readonly size: Size;
}

/** Calls of plain gRPC by h2load, each as soon as an answer has come. */
export function grpcSide(settings: GrpcSideSettings): Side {
  const { peer, name = peer.name, through, inFlight } = settings;
  const { call, fill } = grpcWork(settings);
  return counted({
    name,
    peer,
    callsMin: inFlight * 4,
    fill: async () => void (await callOnce(await addressIn(peer), fill)),
    run: async (requests) => runH2load({ address: await addressIn(peer, through), call, inFlight, requests }),
  });
}

/** The call that is made again and again, and those that bring there before what it reads. */
export function grpcWork({ peer, work, size }: Pick<GrpcSideSettings, "peer" | "work" | "size">): {
  readonly call: GrpcCall;
  readonly fill: readonly GrpcCall[];
} {
  const calls = peer.name === "etcd" ? etcdCalls : kvlabCalls;
  const { valueBytes, set } = sizes[size];
  const value = Buffer.from(randomText(valueBytes));
  const pairs = (count: number) =>
    Array.from({ length: count }, (_, index) => [keyOf(set, index), value] as const);
  const makers: Record<GrpcWork, () => GrpcCall> = {
    put: () => calls.put([keyOf(set, 0), value]),
    get: () => calls.get(keyOf(set, 0)),
    batch: () => calls.batch(pairs(batchSize)),
    scan: () => calls.scan(keyOf(set, 0), scanSize),
  };
  return { call: makers[work](), fill: pairs(work === "scan" ? scanSize : 1).map(calls.put) };
}

/** Address of a member: of the first, who leads, or of the first with that role. */
export async function addressIn(peer: Peer, role?: string): Promise<string> {
  const member = (await peer.members()).find((each) => role === undefined || each.role === role);
  if (member === undefined) throw new Error(`${peer.name} has no ${role ?? "member"}`);
  return member.address;
}
