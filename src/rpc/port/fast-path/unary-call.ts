import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Deadlines, Expiring } from "../../../common/deadlines.ts";
import { endWith } from "../../../common/end-with.ts";
import { joinChunks } from "../../../common/join-chunks.ts";
import { checkRequest } from "../../unknown-fields.ts";
import { freeChunks, smallChunkBytes } from "../body.ts";
import type { Call } from "../connection.ts";
import { holdAnswer } from "../held-bytes.ts";
import { CallContext } from "./call-context.ts";
import type { UnaryMethod } from "./methods.ts";
import { toError, type UnaryProtocol, type WireAnswer } from "./protocols.ts";

export interface UnaryCallOptions {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly method: UnaryMethod;
  readonly protocol: UnaryProtocol;
  readonly timeoutMs: number;
  /** Of the answer. */
  readonly compression: Compression | undefined;
  readonly call: Call;
  readonly deadlines: Deadlines;
  /** Answers the call in the general way, from a request of which these chunks have been read. */
  readonly goGeneralWay: (chunks: readonly Buffer<ArrayBuffer>[]) => void;
}

/** One call on the fast path: reads the request, calls the service, and writes the answer. */
export class UnaryCall implements Expiring {
  readonly dueMs: number;
  readonly #options: UnaryCallOptions;
  readonly #context: CallContext;
  readonly #chunks: Buffer<ArrayBuffer>[] = [];
  #bytes = 0;
  #isAnswered = false;

  constructor(options: UnaryCallOptions) {
    const { stream, headers, method, protocol, call, deadlines } = options;
    this.#options = options;
    this.dueMs = performance.now() + options.timeoutMs;
    const timeLeftMs = () => this.dueMs - performance.now();
    this.#context = new CallContext({ method, headers, protocolName: protocol.name, room: call, timeLeftMs });
    deadlines.add(this);
    stream.on("data", this.#onData);
    stream.once("end", this.#onEnd);
    stream.once("close", this.#onClose);
    // A failure of the connection ends its calls by itself. Without this handler it would end the process.
    stream.on("error", ignore);
  }

  expire(): void {
    this.#context.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  readonly #onData = (chunk: Buffer<ArrayBuffer>): void => {
    const count = this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const { method, protocol, call } = this.#options;
    const isTooLong = this.#bytes > method.messageBytesMax + protocol.envelopeBytes;
    // Many small chunks take far more memory than their bytes.
    const isInBits = count > freeChunks && this.#bytes < count * smallChunkBytes;
    if (isTooLong || isInBits || !call.hold(this.#bytes)) this.#goGeneralWay();
  };

  readonly #onEnd = (): void => {
    const { stream, protocol, method, headers, call } = this.#options;
    // The body ends, too, when the call is given up in the middle of it.
    if (stream.aborted || stream.closed || stream.destroyed) return;
    const body = joinChunks(this.#chunks, this.#bytes);
    const message = protocol.messageIn(body, headers);
    const request = message && parsed(method, message);
    if (request === undefined) {
      this.#goGeneralWay();
    } else {
      call.received();
      // Errors of services have become answers by then. What is left is an answer that cannot be written.
      this.#answer(request).catch(() => stream.destroy());
    }
  };

  readonly #onClose = (): void => {
    const { deadlines, call, stream } = this.#options;
    deadlines.delete(this);
    call.ended();
    if (this.#isAnswered) return;
    const reason = `the caller has gone (HTTP/2 code ${stream.rstCode})`;
    this.#context.abort(new ConnectError(reason, Code.Canceled));
  };

  async #answer(request: Message): Promise<void> {
    const { protocol, method, compression, call, deadlines } = this.#options;
    let answer: WireAnswer | Promise<WireAnswer>;
    try {
      checkRequest(method.service, request);
      const response = await method.call(request, this.#context);
      const { output } = method.method;
      const bytes = toBinary(output, create(output, response));
      holdAnswer(call, method.method, bytes.length);
      answer = protocol.answer(bytes, compression);
    } catch (error) {
      answer = protocol.failure(toError(error), compression);
    }
    deadlines.delete(this);
    this.#isAnswered = true;
    this.#write(answer instanceof Promise ? await answer : answer);
  }

  #write({ headers, body, trailers }: WireAnswer): void {
    const { stream, call } = this.#options;
    if (stream.destroyed || stream.closed) return;
    call.answered();
    if (trailers === undefined) stream.respond(headers);
    else {
      stream.once("wantTrailers", () => stream.sendTrailers(trailers));
      stream.respond(headers, { waitForTrailers: true });
    }
    endWith(stream, body);
  }

  /** With all that is unusual about a body: the general way finds the right words for it. */
  #goGeneralWay(): void {
    const { stream, deadlines, goGeneralWay } = this.#options;
    deadlines.delete(this);
    stream.pause();
    stream.off("data", this.#onData);
    stream.off("end", this.#onEnd);
    goGeneralWay(this.#chunks);
  }
}

function parsed({ method }: UnaryMethod, bytes: Uint8Array): Message | undefined {
  try {
    return fromBinary(method.input, bytes);
  } catch {
    return undefined;
  }
}

function ignore(): void {}
