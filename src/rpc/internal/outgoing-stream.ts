import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import {
  type AppendRequest as AppendRequestMessage,
  AppendRequestSchema,
  type AppendResponse as AppendResponseMessage,
  AppendResult,
  type ReplicationService,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { AppendRequest, AppendResponse, ReplicationStream } from "../../cluster/replication/peer.ts";
import { collectBuffers } from "./collect-buffers.ts";
import { fromEpochs, fromPosition, toEpochs, toPosition, toRecord } from "./replication-messages.ts";

type Waiting = PromiseWithResolvers<AppendResponse>;

/** A `ReplicationStream` over the network. The answers come in the order of the messages. */
export class OutgoingStream implements ReplicationStream {
  readonly #ending = new AbortController();
  readonly #onEnd: (reason: unknown) => void;
  readonly #waiting: Waiting[] = [];
  /** Messages that are not handed to the transport yet. */
  readonly #queue: AppendRequestMessage[] = [];
  #wake = () => {};
  /** Why it takes no more messages. */
  #end: { readonly reason: unknown } | undefined;

  constructor(client: Client<typeof ReplicationService>, onEnd: (reason: unknown) => void) {
    this.#onEnd = onEnd;
    void this.#run(client);
  }

  append(request: AppendRequest): Promise<AppendResponse> {
    if (this.#end !== undefined) return Promise.reject(this.#end.reason);
    if (request.records.length > 0) collectBuffers();
    const waiting = Promise.withResolvers<AppendResponse>();
    this.#waiting.push(waiting);
    this.#queue.push(toRequest(request));
    this.#wake();
    return waiting.promise;
  }

  close(): void {
    this.#over(new ConnectError("the stream was closed", Code.Canceled));
  }

  /** Reads the answers until the stream ends. */
  async #run(client: Client<typeof ReplicationService>): Promise<void> {
    let reason: unknown = new ConnectError("the standby has ended the stream", Code.Unavailable);
    try {
      for await (const answer of client.replicate(this.#messages(), { signal: this.#ending.signal })) {
        const waiting = this.#waiting.shift();
        if (waiting === undefined)
          throw new ConnectError("an answer without a message has come", Code.Internal);
        waiting.resolve(fromResponse(answer));
      }
    } catch (error) {
      reason = error;
    }
    const isClosed = this.#end !== undefined;
    this.#over(reason);
    if (!isClosed) this.#onEnd(reason);
  }

  async *#messages(): AsyncGenerator<AppendRequestMessage, void, void> {
    while (this.#end === undefined) {
      const message = this.#queue.shift();
      if (message !== undefined) {
        yield message;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #over(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    this.#queue.length = 0;
    this.#wake();
    this.#ending.abort(reason);
  }
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
