import { create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { ElectionService } from "../../../gen/kvlab/internal/v1/election_pb.ts";
import {
  AppendRequestSchema,
  type AppendResponse as AppendResponseMessage,
  AppendResult,
  ReplicationService,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { AppendRequest, AppendResponse, Peer } from "../../cluster/replication/peer.ts";
import { collectBuffers } from "./collect-buffers.ts";
import { fromEpochs, fromPosition, toEpochs, toPosition, toRecord } from "./replication-messages.ts";

/** The peer at the other end of a transport. */
export function peerOver(transport: Transport): Peer {
  const client = createClient(ReplicationService, transport);
  const election = createClient(ElectionService, transport);
  return {
    append: async (request, signal) => {
      if (request.records.length > 0) collectBuffers();
      return fromResponse(await client.append(toRequest(request), { signal }));
    },
    countMisplaced: async (request, signal) => {
      const message = { ...request, ringGroups: [...request.ringGroups] };
      return Number((await client.countMisplaced(message, { signal })).keys);
    },
    transferLeadership: async (request, signal) => Number((await client.handOver(request, { signal })).epoch),
    position: async (request, signal) => {
      const { position, damaged } = await client.getPosition(request, { signal });
      return damaged ? undefined : fromPosition(position);
    },
    reportSilence: async ({ cluster = "", group, epoch, reporter: { number, incarnation } }, signal) => {
      const message = { cluster, group, epoch: BigInt(epoch), number, incarnation };
      return (await election.reportSilence(message, { signal })).promoted;
    },
  };
}

function toRequest(request: AppendRequest) {
  const { snapshot } = request;
  return create(AppendRequestSchema, {
    group: request.group,
    epoch: BigInt(request.epoch),
    primary: request.primary,
    target: request.target,
    incarnation: request.incarnation,
    previous: toPosition(request.previous),
    records: request.records.map(toRecord),
    committedSeq: BigInt(request.committedSeq),
    leaseMs: BigInt(Math.ceil(request.leaseMs)),
    cluster: request.cluster ?? "",
    ...(snapshot === undefined
      ? {}
      : {
          snapshot: {
            snapshotId: BigInt(snapshot.snapshotId),
            index: BigInt(snapshot.index),
            base: toPosition(snapshot.base),
            epochs: toEpochs(snapshot.epochs),
            last: snapshot.last,
            requestsAfter: BigInt(snapshot.requestsAfter),
          },
        }),
  });
}

function fromResponse(message: AppendResponseMessage): AppendResponse {
  return {
    result: fromResult(message.result),
    epoch: Number(message.epoch),
    last: fromPosition(message.last),
    base: fromPosition(message.base),
    epochs: fromEpochs(message.epochs),
    needsSnapshot: message.needsSnapshot,
  };
}

function fromResult(result: AppendResult): AppendResponse["result"] {
  switch (result) {
    case AppendResult.OK:
      return "ok";
    case AppendResult.STALE_EPOCH:
      return "stale-epoch";
    case AppendResult.MISMATCH:
      return "mismatch";
    case AppendResult.FULL:
      return "full";
    default:
      throw new Error(`a standby has answered with the unknown result ${result}`);
  }
}
