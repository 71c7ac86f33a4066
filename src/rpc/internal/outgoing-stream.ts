import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type AppendResponse as AppendResponseMessage,
  type ReplicateRequest,
  ReplicateRequestSchema,
  ReplicationService,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { Duplex, OpenDuplex } from "../../client/transport/duplex.ts";
import type { AppendRequest, AppendResponse, ReplicationStream } from "../../cluster/replication/peer.ts";
import { fromAppendResponse, toAppendRequest } from "./append-messages.ts";
import { collectBuffers } from "./collect-buffers.ts";

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
    collectBuffers(request.records);
    const waiting = Promise.withResolvers<AppendResponse>();
    this.#waiting.push(waiting);
    this.#queue.push(create(ReplicateRequestSchema, { append: toAppendRequest(request) }));
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
      waiting.resolve(fromAppendResponse(answer));
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
