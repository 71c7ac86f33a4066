import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type {
  AppendRequest as AppendRequestMessage,
  AppendResponseSchema,
  ReplicateRequest,
  ReplicateResponseSchema,
} from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import type { IncomingStream } from "../../cluster/replication/peer.ts";
import { flightMessagesMax } from "../../cluster/replication/settings.ts";
import type { DuplexCall, DuplexEvents } from "../duplex.ts";
import { toConnectError } from "../errors.ts";
import { fromAppendRequest, toAppendResponse } from "./append-messages.ts";
import { collectBuffers } from "./collect-buffers.ts";

export type AnswerMessage = MessageInitShape<typeof AppendResponseSchema>;

/** A message that was handed over, and its answer once it is there. */
interface Exchange {
  answer: AnswerMessage | undefined;
}

/** One call of Replicate: hands messages over as they come, and answers them in their order. */
export class ReplicationCall
  implements DuplexCall<ReplicateRequest, MessageInitShape<typeof ReplicateResponseSchema>>
{
  readonly #stream: IncomingStream;
  readonly #events: DuplexEvents;
  readonly #exchanges: Exchange[] = [];
  #end: { readonly reason: unknown } | undefined;

  constructor(stream: IncomingStream, events: DuplexEvents) {
    this.#stream = stream;
    this.#events = events;
  }

  get end(): { readonly reason: unknown } | undefined {
    return this.#end;
  }

  accept({ append }: ReplicateRequest): boolean {
    if (this.#end !== undefined) return false;
    if (append === undefined) {
      this.close(new ConnectError("a message of replication is empty", Code.InvalidArgument));
      return false;
    }
    const exchange: Exchange = { answer: undefined };
    this.#exchanges.push(exchange);
    answerTo(this.#stream, append).then(
      (answer) => {
        exchange.answer = answer;
        if (this.#exchanges[0] === exchange) this.#events.onOutput();
      },
      (error) => this.close(error),
    );
    return this.#hasRoom;
  }

  take(): MessageInitShape<typeof ReplicateResponseSchema> | undefined {
    const append = this.#exchanges[0]?.answer;
    if (append === undefined) return undefined;
    const hadRoom = this.#hasRoom;
    this.#exchanges.shift();
    if (!hadRoom) this.#events.onRoom();
    return { append };
  }

  /** What is not answered yet will not be: an answer may take as long as a hanging disk. */
  close(reason?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#exchanges.length = 0;
    this.#stream.ended();
    this.#events.onOutput();
  }

  get #hasRoom(): boolean {
    return this.#exchanges.length < flightMessagesMax;
  }
}

/** Handles a message. Errors: ConnectError. */
export async function answerTo(
  stream: IncomingStream,
  message: AppendRequestMessage,
): Promise<AnswerMessage> {
  try {
    const request = fromAppendRequest(message);
    collectBuffers(request.records);
    return toAppendResponse(await stream.append(request));
  } catch (error) {
    throw toConnectError(error);
  }
}
