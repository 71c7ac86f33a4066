import type { ServerHttp2Stream } from "node:http2";
import process from "node:process";
import {
  create,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag } from "@connectrpc/connect/protocol";
import type { Deadlines, Expiring } from "../../../common/deadlines.ts";
import { endWith } from "../../../common/end-with.ts";
import { EnvelopeReader, enveloped } from "../../../common/envelopes.ts";
import { messageOf } from "../../../common/message-of.ts";
import type { DuplexCall } from "../../duplex.ts";
import { checkRequest } from "../../unknown-fields.ts";
import type { Call } from "../connection.ts";
import type { DuplexProtocol } from "./duplex-protocols.ts";
import type { DuplexMethod } from "./methods.ts";
import { toError } from "./protocols.ts";

export interface DuplexStreamOptions {
  readonly stream: ServerHttp2Stream;
  readonly method: DuplexMethod;
  readonly protocol: DuplexProtocol;
  /** Infinite without a limit. */
  readonly timeoutMs: number;
  readonly call: Call;
  readonly deadlines: Deadlines;
  /** Aborts when the listener closes. */
  readonly closing: AbortSignal;
}

/**
 * One bidirectional call on the fast path. Each message is handed to the service in the turn in which it arrives. The
 * stream is not read while the service has no room, and answers are not taken from it while the caller reads none.
 */
export class DuplexStream implements Expiring {
  readonly dueMs: number;
  readonly #options: DuplexStreamOptions;
  readonly #reader: EnvelopeReader;
  readonly #service: DuplexCall<Message, MessageInitShape<DescMessage>>;
  /** Whether the service has no room for another message. */
  #isHeld = false;
  /** Whether the whole request has come. */
  #hasAll = false;
  #isWriting = false;
  /** Whether the caller has to read before more is written. */
  #isBlocked = false;
  #hasBegun = false;
  #isOver = false;

  constructor(options: DuplexStreamOptions) {
    const { stream, method, deadlines, closing, timeoutMs } = options;
    const { messageBytesMax } = method;
    this.#options = options;
    this.#reader = new EnvelopeReader({
      messageBytesMax,
      tooLong(bytes) {
        const reason = `message size ${bytes} is larger than configured readMaxBytes ${messageBytesMax}`;
        return new ConnectError(reason, Code.ResourceExhausted);
      },
    });
    this.#service = method.open({ onOutput: this.#writeSoon, onRoom: this.#onRoom });
    this.dueMs = performance.now() + timeoutMs;
    if (timeoutMs < Number.POSITIVE_INFINITY) deadlines.add(this);
    closing.addEventListener("abort", this.#stop);
    stream.on("data", this.#onData);
    stream.once("end", this.#onEnd);
    stream.once("close", this.#onClose);
    stream.on("drain", this.#onDrain);
    // A failure of the connection ends its calls by itself. Without this handler it would end the process.
    stream.on("error", ignore);
  }

  expire(): void {
    this.#stop();
  }

  /** The service answers what it has begun. */
  readonly #stop = (): void => this.#service.close();

  readonly #onData = (chunk: Uint8Array): void => {
    this.#reader.push(chunk);
    this.#read();
  };

  readonly #onEnd = (): void => {
    const { stream, call } = this.#options;
    // The request ends, too, when the caller gives up in the middle of it.
    if (stream.aborted || stream.closed || stream.destroyed) return;
    call.received();
    this.#hasAll = true;
    this.#read();
  };

  readonly #onRoom = (): void => {
    this.#isHeld = false;
    this.#read();
    if (!this.#isHeld) this.#options.stream.resume();
  };

  readonly #onDrain = (): void => {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    this.#options.call.waited();
    this.#write();
  };

  readonly #onClose = (): void => {
    const { deadlines, closing, call } = this.#options;
    this.#isOver = true;
    deadlines.delete(this);
    closing.removeEventListener("abort", this.#stop);
    call.ended();
    this.#stop();
  };

  /** Hands messages to the service for as long as it has room. */
  #read(): void {
    try {
      while (!this.#isHeld) {
        const message = this.#nextMessage();
        if (message === undefined) break;
        this.#isHeld = !this.#service.accept(message);
      }
      this.#options.call.require(this.#reader.heldBytes);
      if (this.#isHeld) this.#options.stream.pause();
      else if (this.#hasAll) {
        if (this.#reader.hasPart) throw brokenOff();
        this.#service.close();
      }
    } catch (reason) {
      this.#discardRest();
      this.#service.close(reason);
    }
  }

  #nextMessage(): Message | undefined {
    const { method, protocol } = this.#options;
    let envelope = this.#reader.next();
    while (envelope !== undefined) {
      if ((envelope.flags & compressedFlag) !== 0) throw notUnderstood();
      if ((envelope.flags & protocol.endFlag) === 0) break;
      envelope = this.#reader.next();
    }
    if (envelope === undefined) return undefined;
    const message = parsed(method, envelope.bytes);
    checkRequest(method.service, message);
    return message;
  }

  /** The rest of the request is of no interest, but must be read before the connection can carry other calls. */
  #discardRest(): void {
    const { stream } = this.#options;
    stream.off("data", this.#onData);
    stream.off("end", this.#onEnd);
    stream.resume();
  }

  /** Writes at the end of the turn, so that all that is answered in it shares a message. */
  readonly #writeSoon = (): void => {
    if (this.#isWriting) return;
    this.#isWriting = true;
    process.nextTick(this.#write);
  };

  readonly #write = (): void => {
    try {
      while (this.#canWrite && this.#writeNext());
      this.#isWriting = false;
      const { end } = this.#service;
      if (end !== undefined && this.#canWrite) this.#end(end.reason);
    } catch (reason) {
      this.#fail(reason);
    }
  };

  /** Ends a call whose answer cannot be written. */
  #fail(reason: unknown): void {
    this.#service.close();
    try {
      if (this.#canWrite) this.#end(reason);
    } catch {
      this.#options.stream.destroy();
    }
  }

  get #canWrite(): boolean {
    const { stream } = this.#options;
    return !this.#isOver && !this.#isBlocked && !stream.destroyed && !stream.closed;
  }

  /** Returns whether there was something to write. */
  #writeNext(): boolean {
    const { stream, method, call } = this.#options;
    const message = this.#service.take();
    if (message === undefined) return false;
    const bytes = serialized(method, message);
    this.#begin();
    if (!stream.write(enveloped(0, bytes))) {
      this.#isBlocked = true;
      call.waited();
    }
    return true;
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const { stream, protocol } = this.#options;
    const head = { ":status": 200, "content-type": protocol.contentType };
    stream.respond(head, { waitForTrailers: protocol.name === "grpc" });
  }

  #end(reason: unknown): void {
    const { stream, protocol, deadlines, call } = this.#options;
    this.#isOver = true;
    deadlines.delete(this);
    this.#discardRest();
    const { bytes, trailers } = protocol.end(reason === undefined ? undefined : toError(reason));
    if (trailers !== undefined) stream.once("wantTrailers", () => stream.sendTrailers(trailers));
    this.#begin();
    call.answered();
    endWith(stream, bytes);
  }
}

// The same errors as those of Connect's own reader.

function brokenOff(): ConnectError {
  return new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
}

function notUnderstood(): ConnectError {
  const reason = "received compressed envelope, but do not know how to decompress";
  return new ConnectError(reason, Code.Internal);
}

function parsed({ method }: DuplexMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.input, bytes);
  } catch (error) {
    throw new ConnectError(`parse binary: ${messageOf(error)}`, Code.InvalidArgument);
  }
}

function serialized({ method }: DuplexMethod, message: MessageInitShape<DescMessage>): Uint8Array {
  try {
    return toBinary(method.output, create(method.output, message));
  } catch (error) {
    throw new ConnectError(`serialize binary: ${messageOf(error)}`, Code.Internal);
  }
}

function ignore(): void {}
