import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import {
  type AppendRequest as AppendRequestMessage,
  type AppendResponseSchema,
  AppendResult,
  ReplicationService,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type {
  AppendRequest,
  AppendResponse,
  CountMisplacedRequest,
  IncomingStream,
  PositionRequest,
  TransferRequest,
} from "../../cluster/replication/peer.ts";
import { flightMessagesMax } from "../../cluster/replication/settings.ts";
import type { Position } from "../../cluster/storage/model.ts";
import { messageBytesLimit } from "../../common/key-limits.ts";
import { answering, toConnectError } from "../errors.ts";
import { collectBuffers } from "./collect-buffers.ts";
import { PendingAnswers } from "./pending-answers.ts";
import { fromEpochs, fromPosition, fromRecord, toEpochs, toPosition } from "./replication-messages.ts";

type Response = MessageInitShape<typeof AppendResponseSchema>;

/** The calls of other nodes that a data node answers. */
export interface ReplicationHandler {
  replicate(): IncomingStream;
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
  // The calls of all primaries of earlier versions. It never ends, so such a primary is noticed by its silence only.
  const calls = node.replicate();
  const handlers: ServiceImpl<typeof ReplicationService> = {
    replicate: (messages, { signal }) => answersOf(node.replicate(), messages, signal),
    append: (message) => answerTo(calls, message),
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

/** Hands over messages as they come, and answers them in their order. */
async function* answersOf(
  stream: IncomingStream,
  messages: AsyncIterable<AppendRequestMessage>,
  signal: AbortSignal,
): AsyncGenerator<Response, void, void> {
  const answers = new PendingAnswers<Response>(flightMessagesMax);
  const stop = () => {
    answers.end();
    // At once: the answer that is waited for may take as long as a hanging disk.
    stream.ended();
  };
  const read = async () => {
    for await (const message of messages) if (!(await answers.add(answerTo(stream, message)))) return;
  };
  signal.addEventListener("abort", stop, { once: true });
  read().then(stop, stop);
  try {
    for (let answer = await answers.next(); answer !== undefined; answer = await answers.next()) yield answer;
  } finally {
    stop();
    signal.removeEventListener("abort", stop);
  }
}

async function answerTo(stream: IncomingStream, message: AppendRequestMessage): Promise<Response> {
  if (message.records.length > 0) collectBuffers();
  try {
    return toResponse(await stream.append(fromRequest(message)));
  } catch (error) {
    throw toConnectError(error);
  }
}

function toResponse(response: AppendResponse): Response {
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
