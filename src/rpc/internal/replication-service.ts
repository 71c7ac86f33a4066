import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import {
  type AppendRequest as AppendRequestMessage,
  AppendResult,
  ReplicationService,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type {
  AppendRequest,
  AppendResponse,
  CountMisplacedRequest,
  PositionRequest,
  TransferRequest,
} from "../../cluster/replication/peer.ts";
import type { Position } from "../../cluster/storage/model.ts";
import { messageBytesLimit } from "../../common/key-limits.ts";
import { answering, toConnectError } from "../errors.ts";
import { collectBuffers } from "./collect-buffers.ts";
import { fromEpochs, fromPosition, fromRecord, toEpochs, toPosition } from "./replication-messages.ts";

/** The calls of other nodes that a data node answers. */
export interface ReplicationHandler {
  append(request: AppendRequest): Promise<AppendResponse>;
  countMisplaced(request: CountMisplacedRequest): number;
  transferLeadership(request: TransferRequest, signal: AbortSignal): Promise<number>;
  position(request: PositionRequest): Position | undefined;
}

const results = {
  ok: AppendResult.OK,
  "stale-epoch": AppendResult.STALE_EPOCH,
  mismatch: AppendResult.MISMATCH,
  full: AppendResult.FULL,
} as const;

export function replicationRoutes(router: ConnectRouter, node: ReplicationHandler): void {
  const handlers: ServiceImpl<typeof ReplicationService> = {
    async append(message) {
      if (message.records.length > 0) collectBuffers();
      try {
        return toResponse(await node.append(fromRequest(message)));
      } catch (error) {
        throw toConnectError(error);
      }
    },
    countMisplaced: (request) => answering(async () => ({ keys: BigInt(node.countMisplaced(request)) })),
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

function toResponse(response: AppendResponse) {
  return {
    result: results[response.result],
    epoch: BigInt(response.epoch),
    last: toPosition(response.last),
    base: toPosition(response.base),
    epochs: toEpochs(response.epochs),
    needsSnapshot: response.needsSnapshot,
  };
}

function fromRequest(message: AppendRequestMessage): AppendRequest {
  const { snapshot } = message;
  return {
    group: message.group,
    epoch: Number(message.epoch),
    primary: message.primary,
    target: message.target,
    incarnation: message.incarnation,
    previous: fromPosition(message.previous),
    records: message.records.map(fromRecord),
    committedSeq: Number(message.committedSeq),
    leaseMs: Number(message.leaseMs),
    cluster: message.cluster,
    ...(snapshot === undefined
      ? {}
      : {
          snapshot: {
            snapshotId: Number(snapshot.snapshotId),
            index: Number(snapshot.index),
            base: fromPosition(snapshot.base),
            epochs: fromEpochs(snapshot.epochs),
            last: snapshot.last,
            requestsAfter: Number(snapshot.requestsAfter),
          },
        }),
  };
}
