import type { IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import {
  type DescMessage,
  type DescMethodBiDiStreaming,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag } from "@connectrpc/connect/protocol";
import { codeFromHttpStatus, endStreamFlag, endStreamFromJson } from "@connectrpc/connect/protocol-connect";
import { type Envelope, EnvelopeReader, enveloped } from "../../common/envelopes.ts";
import { brokenOff, parsed, tooLong } from "./answers.ts";
import type { Duplex, DuplexEvents } from "./duplex.ts";
import type { Begun, SessionPool } from "./session-pool.ts";

export interface DuplexStreamOptions<Input extends DescMessage, Output extends DescMessage> {
  readonly pool: SessionPool;
  readonly method: DescMethodBiDiStreaming<Input, Output>;
  readonly events: DuplexEvents<MessageShape<Output>>;
  /** Limit of a message, in either direction. */
  readonly messageBytesMax: number;
  /** Makes what is told of an error of the connection. Without `begun`, nothing was sent. */
  readonly errorOf: (reason: unknown, begun: Begun | undefined) => ConnectError;
}

const headers = { "content-type": "application/connect+proto", "connect-protocol-version": "1" };

/** One bidirectional call in the Connect protocol, straight on an HTTP/2 stream. */
export class DuplexStream<Input extends DescMessage, Output extends DescMessage>
  implements Duplex<MessageShape<Input>>
{
  readonly #options: DuplexStreamOptions<Input, Output>;
  readonly #reader: EnvelopeReader;
  readonly #cancelled = new AbortController();
  #begun: Begun | undefined;
  #hasRoom = false;
  #hasHead = false;
  #isEnding = false;
  #isOver = false;

  constructor(options: DuplexStreamOptions<Input, Output>) {
    const { messageBytesMax } = options;
    this.#options = options;
    this.#reader = new EnvelopeReader({ messageBytesMax, tooLong: () => tooLong("answer", messageBytesMax) });
    void this.#begin();
  }

  get hasRoom(): boolean {
    return this.#hasRoom && !this.#isOver;
  }

  send(message: MessageShape<Input>): void {
    const { method, messageBytesMax } = this.#options;
    const bytes = toBinary(method.input, message);
    if (bytes.length > messageBytesMax) this.#finish(tooLong("request", messageBytesMax));
    else this.#hasRoom = this.#begun?.stream.write(enveloped(0, bytes)) ?? false;
  }

  end(): void {
    this.#isEnding = true;
    this.#begun?.stream.end();
  }

  cancel(): void {
    this.#isOver = true;
    this.#cancelled.abort(new ConnectError("the call was given up", Code.Canceled));
    this.#begun?.stream.close(constants.NGHTTP2_CANCEL);
  }

  async #begin(): Promise<void> {
    const { pool, method } = this.#options;
    const path = `/${method.parent.typeName}/${method.name}`;
    try {
      const { signal } = this.#cancelled;
      this.#begun = await pool.request({ method: "POST", path, headers, signal });
    } catch (reason) {
      this.#finish(reason);
      return;
    }
    const { stream } = this.#begun;
    stream.on("error", (error) => this.#finish(stream.rstCode === 0 ? error : brokenOff(stream)));
    stream.on("close", () => this.#finish(brokenOff(stream)));
    if (this.#isOver) {
      stream.close(constants.NGHTTP2_CANCEL);
      return;
    }
    stream.on("response", this.#onResponse);
    stream.on("data", this.#onData);
    stream.on("end", () => this.#finish(brokenOff(stream)));
    stream.on("drain", this.#onRoom);
    if (this.#isEnding) stream.end();
    else this.#onRoom();
  }

  readonly #onRoom = (): void => {
    if (this.#isOver) return;
    this.#hasRoom = true;
    this.#options.events.onRoom();
  };

  readonly #onResponse = (head: IncomingHttpHeaders): void => {
    const problem = problemWith(head);
    if (problem !== undefined) {
      this.#finish(problem);
      return;
    }
    this.#hasHead = true;
    this.#read();
  };

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#isOver || this.#begun === undefined) return;
    this.#begun.session.heardAt = performance.now();
    this.#reader.push(chunk);
    // On Deno the beginning of the body may come before the head.
    if (this.#hasHead) this.#read();
  };

  #read(): void {
    try {
      for (let envelope = this.#reader.next(); envelope !== undefined; envelope = this.#reader.next()) {
        this.#take(envelope);
        if (this.#isOver) return;
      }
    } catch (reason) {
      this.#finish(reason);
    }
  }

  #take({ flags, bytes }: Envelope): void {
    const { method, events } = this.#options;
    if ((flags & compressedFlag) !== 0) {
      throw new ConnectError("the answer is compressed, which was not asked for", Code.Internal);
    }
    if ((flags & endStreamFlag) === 0) events.onMessage(parsed(method.output, bytes));
    else this.#end(endStreamFromJson(bytes).error);
  }

  /** The server has said how the call has ended. */
  #end(error: ConnectError | undefined): void {
    this.#isOver = true;
    this.#begun?.stream.end();
    this.#options.events.onEnd(error);
  }

  /** The call has ended in another way. */
  #finish(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#begun?.stream.close(constants.NGHTTP2_CANCEL);
    this.#options.events.onEnd(this.#options.errorOf(reason, this.#begun));
  }
}

function problemWith(head: IncomingHttpHeaders): ConnectError | undefined {
  const status = Number(head[":status"]);
  const { "content-type": type, "connect-content-encoding": encoding } = head;
  if (status !== 200) return new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status));
  if (encoding !== undefined && encoding !== "identity") {
    return new ConnectError(`unsupported response encoding "${encoding}"`, Code.Internal);
  }
  if (type === headers["content-type"]) return undefined;
  return new ConnectError(`unsupported content type ${type}`, Code.Internal);
}
