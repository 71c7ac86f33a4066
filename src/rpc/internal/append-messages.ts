/** How the messages of `Replicate` and their answers stand on the wire. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AppendRequest as AppendRequestMessage,
  type AppendRequestSchema,
  type AppendResponse as AppendResponseMessage,
  type AppendResponseSchema,
  AppendResult,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { AppendRequest, AppendResponse } from "../../cluster/replication/peer.ts";
import {
  fromEpochs,
  fromPosition,
  fromRecord,
  toEpochs,
  toPosition,
  toRecord,
} from "./replication-messages.ts";

export function toAppendRequest(request: AppendRequest): MessageInitShape<typeof AppendRequestSchema> {
  const { snapshot } = request;
  return {
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
  };
}

export function fromAppendRequest(message: AppendRequestMessage): AppendRequest {
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

const results = {
  ok: AppendResult.OK,
  "stale-epoch": AppendResult.STALE_EPOCH,
  mismatch: AppendResult.MISMATCH,
  full: AppendResult.FULL,
} as const;

export function toAppendResponse(response: AppendResponse): MessageInitShape<typeof AppendResponseSchema> {
  return {
    result: results[response.result],
    epoch: BigInt(response.epoch),
    last: toPosition(response.last),
    base: toPosition(response.base),
    epochs: toEpochs(response.epochs),
    needsSnapshot: response.needsSnapshot,
  };
}

export function fromAppendResponse(message: AppendResponseMessage): AppendResponse {
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
