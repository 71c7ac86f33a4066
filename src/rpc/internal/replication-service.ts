import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { ReplicationService } from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type {
  CountMisplacedRequest,
  IncomingStream,
  MisplacedKeys,
  PositionRequest,
  TransferRequest,
} from "../../cluster/replication/peer.ts";
import type { Position } from "../../cluster/storage/model.ts";
import { messageBytesLimit } from "../../common/key-limits.ts";
import { duplexHandler } from "../duplex.ts";
import { answering } from "../errors.ts";
import { answerTo, ReplicationCall } from "./replication-call.ts";
import { toPosition } from "./replication-messages.ts";

/** The calls of other nodes that a data node answers. */
export interface ReplicationHandler {
  replicate(): IncomingStream;
  countMisplaced(request: CountMisplacedRequest): Promise<MisplacedKeys>;
  transferLeadership(request: TransferRequest, signal: AbortSignal): Promise<number>;
  position(request: PositionRequest): Position | undefined;
}

export function replicationRoutes(router: ConnectRouter, node: ReplicationHandler): void {
  // The calls of all primaries of earlier versions. It never ends, so such a primary is noticed by its silence only.
  const calls = node.replicate();
  const handlers: ServiceImpl<typeof ReplicationService> = {
    replicate: duplexHandler((events) => new ReplicationCall(node.replicate(), events)),
    append: (message) => answerTo(calls, message),
    countMisplaced: (request) =>
      answering(async () => {
        const { keys, groups } = await node.countMisplaced(request);
        return {
          keys: BigInt(keys),
          groups: groups.map((each) => ({
            group: each.group,
            keys: BigInt(each.keys),
            bytes: BigInt(each.bytes),
          })),
        };
      }),
    handOver: (request, { signal }) =>
      answering(async () => ({ epoch: BigInt(await node.transferLeadership(request, signal)) })),
    getPosition: (request) =>
      answering(async () => {
        const position = node.position(request);
        return position === undefined ? { damaged: true } : { position: toPosition(position) };
      }),
  };
  // A record may be longer than this node's own limit: the primary's may be higher, or the limit may have been lowered.
  router.service(ReplicationService, handlers, { readMaxBytes: messageBytesLimit });
}
