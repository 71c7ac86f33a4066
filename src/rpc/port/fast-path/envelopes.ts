/** Envelopes: the flags and the length before each message of gRPC, and of streams of Connect. */

import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag } from "@connectrpc/connect/protocol";

/** One byte of flags, and four of length. */
export const envelopeBytes = 5;

/** Memory for a message before its bytes have come. A caller may announce any length. */
const firstBytes = 64 * 1024;

export function enveloped(flags: number, message: Uint8Array): Buffer {
  const envelope = Buffer.allocUnsafe(envelopeBytes + message.length);
  envelope[0] = flags;
  envelope.writeUInt32BE(message.length, 1);
  envelope.set(message, envelopeBytes);
  return envelope;
}

export interface EnvelopeOptions {
  /** Limit of a message. */
  readonly messageBytesMax: number;
  /** Envelopes with this flag are left out. */
  readonly skippedFlag: number;
}

/** Finds the messages in the chunks of a request. Errors are those of Connect's own reader. */
export class EnvelopeReader {
  readonly #options: EnvelopeOptions;
  /** What has come and was not read. */
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  readonly #head = new Uint8Array(envelopeBytes);
  #headBytes = 0;
  /** The message that is being read, with room for at least the bytes of it that are there. */
  #message: Uint8Array<ArrayBuffer> | undefined;
  #messageBytes = 0;

  constructor(options: EnvelopeOptions) {
    this.#options = options;
  }

  push(chunk: Uint8Array): void {
    const rest = this.#chunk.subarray(this.#at);
    this.#chunk = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
  }

  /**
   * The bytes of the next message that is whole, in memory of their own. Undefined: there is none yet. Errors:
   * ConnectError.
   */
  next(): Uint8Array<ArrayBuffer> | undefined {
    for (;;) {
      if (!this.#readHead() || !this.#readMessage()) return undefined;
      const message = this.#message;
      const flags = this.#head[0] ?? 0;
      this.#headBytes = 0;
      this.#message = undefined;
      if ((flags & compressedFlag) !== 0) {
        const reason = "received compressed envelope, but do not know how to decompress";
        throw new ConnectError(reason, Code.Internal);
      }
      if ((flags & this.#options.skippedFlag) === 0) return message;
    }
  }

  /** To be called at the end of the request. Throws if it ends within an envelope. */
  checkEnd(): void {
    const hasPart = this.#message === undefined ? this.#headBytes > 0 : this.#messageBytes > 0;
    if (hasPart) throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
  }

  /** Returns whether it is whole. */
  #readHead(): boolean {
    if (this.#message !== undefined) return true;
    this.#headBytes += this.#copyTo(this.#head, this.#headBytes, envelopeBytes);
    if (this.#headBytes < envelopeBytes) return false;
    const length = this.#length;
    const { messageBytesMax } = this.#options;
    if (length > messageBytesMax) {
      const reason = `message size ${length} is larger than configured readMaxBytes ${messageBytesMax}`;
      throw new ConnectError(reason, Code.ResourceExhausted);
    }
    this.#message = new Uint8Array(Math.min(length, Math.max(firstBytes, this.#chunk.length - this.#at)));
    this.#messageBytes = 0;
    return true;
  }

  /** Returns whether it is whole. */
  #readMessage(): boolean {
    let message = this.#message ?? new Uint8Array(0);
    const length = this.#length;
    for (;;) {
      this.#messageBytes += this.#copyTo(message, this.#messageBytes, message.length);
      if (this.#messageBytes < message.length) return false;
      if (message.length === length) return true;
      const larger = new Uint8Array(Math.min(length, 2 * message.length));
      larger.set(message);
      message = larger;
      this.#message = message;
    }
  }

  get #length(): number {
    return new DataView(this.#head.buffer).getUint32(1);
  }

  /** Fills `target` from `from` to `to` with what is there. Returns the number of bytes. */
  #copyTo(target: Uint8Array, from: number, to: number): number {
    const bytes = Math.min(to - from, this.#chunk.length - this.#at);
    target.set(this.#chunk.subarray(this.#at, this.#at + bytes), from);
    this.#at += bytes;
    return bytes;
  }
}
