/** How the messages of `Replicate` and their answers stand on the wire. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AppendRequest as AppendRequestMessage,
  type AppendRequestSchema,
  type AppendResponse as AppendResponseMessage,
  type AppendResponseSchema,
  AppendResult,
  type SnapshotChunk as SnapshotChunkMessage,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { AppendRequest, AppendResponse, SnapshotChunk } from "../../cluster/replication/peer.ts";
import { fromMoveSummary, markChange, toMoveSummary } from "./move-messages.ts";
import {
  fromEpochs,
  fromPosition,
  fromRecord,
  toEpochs,
  toPosition,
  toRecord,
} from "./replication-messages.ts";

/** For standbys of earlier versions, which must refuse a snapshot whose head they do not understand: see `markChange`. */
const markRecord = { changes: [markChange] };

/** Whether a message with this has that as its first record. */
function isMarked(snapshot: SnapshotChunk | undefined): boolean {
  return snapshot?.moves !== undefined && snapshot.index === 0;
}

export function toAppendRequest(request: AppendRequest): MessageInitShape<typeof AppendRequestSchema> {
  const { snapshot } = request;
  const records = request.records.map(toRecord);
  return {
    group: request.group,
    epoch: BigInt(request.epoch),
    primary: request.primary,
    target: request.target,
    incarnation: request.incarnation,
    previous: toPosition(request.previous),
    records: isMarked(snapshot) ? [markRecord, ...records] : records,
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
            ...(snapshot.moves !== undefined && { moves: toMoveSummary(snapshot.moves) }),
          },
        }),
  };
}

export function fromAppendRequest(message: AppendRequestMessage): AppendRequest {
  const snapshot = fromSnapshotChunk(message.snapshot);
  const records = isMarked(snapshot) ? message.records.slice(1) : message.records;
  return {
    group: message.group,
    epoch: Number(message.epoch),
    primary: message.primary,
    target: message.target,
    incarnation: message.incarnation,
    previous: fromPosition(message.previous),
    records: records.map(fromRecord),
    committedSeq: Number(message.committedSeq),
    leaseMs: Number(message.leaseMs),
    cluster: message.cluster,
    ...(snapshot === undefined ? {} : { snapshot }),
  };
}

function fromSnapshotChunk(message: SnapshotChunkMessage | undefined): SnapshotChunk | undefined {
  if (message === undefined) return undefined;
  const { moves } = message;
  return {
    snapshotId: Number(message.snapshotId),
    index: Number(message.index),
    base: fromPosition(message.base),
    epochs: fromEpochs(message.epochs),
    last: message.last,
    requestsAfter: Number(message.requestsAfter),
    ...(moves !== undefined && { moves: fromMoveSummary(moves) }),
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
