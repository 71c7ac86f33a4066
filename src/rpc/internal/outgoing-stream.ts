import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type AppendResponse as AppendResponseMessage,
  AppendResult,
  type ReplicateRequest,
  ReplicateRequestSchema,
  ReplicationService,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { Duplex, OpenDuplex } from "../../client/transport/duplex.ts";
import type { AppendRequest, AppendResponse, ReplicationStream } from "../../cluster/replication/peer.ts";
import { collectBuffers, valueBytes } from "./collect-buffers.ts";
import { fromEpochs, fromPosition, toEpochs, toPosition, toRecord } from "./replication-messages.ts";

/** A `ReplicationStream` over the network. The answers come in the order of the messages. */
export class OutgoingStream implements ReplicationStream {
  readonly #duplex: Duplex<ReplicateRequest>;
  readonly #onEnd: (reason: unknown) => void;
  /** Messages that are not answered yet. */
  readonly #waiting: PromiseWithResolvers<AppendResponse>[] = [];
  /** Messages for which the connection has no room yet. */
  readonly #queue: ReplicateRequest[] = [];
  /** Why it takes no more messages. */
  #end: { readonly reason: unknown } | undefined;

  constructor(open: OpenDuplex, onEnd: (reason: unknown) => void) {
    this.#onEnd = onEnd;
    this.#duplex = open(ReplicationService.method.replicate, {
      onMessage: ({ append }) => this.#answered(append),
      onRoom: () => this.#flow(),
      onEnd: (error) =>
        this.#ended(error ?? new ConnectError("the standby has ended the stream", Code.Unavailable)),
    });
  }

  append(request: AppendRequest): Promise<AppendResponse> {
    if (this.#end !== undefined) return Promise.reject(this.#end.reason);
    collectBuffers(valueBytes(request));
    const waiting = Promise.withResolvers<AppendResponse>();
    this.#waiting.push(waiting);
    this.#queue.push(toRequest(request));
    this.#flow();
    return waiting.promise;
  }

  close(): void {
    if (this.#end !== undefined) return;
    this.#duplex.cancel();
    this.#fail(new ConnectError("the stream was closed", Code.Canceled));
  }

  #flow(): void {
    while (this.#duplex.hasRoom) {
      const message = this.#queue.shift();
      if (message === undefined) return;
      this.#duplex.send(message);
    }
  }

  #answered(answer: AppendResponseMessage | undefined): void {
    const [waiting] = this.#waiting;
    if (answer !== undefined && waiting !== undefined) {
      this.#waiting.shift();
      waiting.resolve(fromResponse(answer));
      return;
    }
    this.#duplex.cancel();
    this.#ended(
      new ConnectError("an answer has come that belongs to no message, or is empty", Code.Internal),
    );
  }

  #ended(reason: unknown): void {
    this.#fail(reason);
    this.#onEnd(reason);
  }

  #fail(reason: unknown): void {
    this.#end = { reason };
    this.#queue.length = 0;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}

function toRequest(request: AppendRequest): ReplicateRequest {
  const { snapshot } = request;
  const append = {
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
  return create(ReplicateRequestSchema, { append });
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
