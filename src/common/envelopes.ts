/** Envelopes: the flags and the length before each message of gRPC, and of streams of Connect. */

/** One byte of flags, and four of length. */
export const envelopeBytes = 5;

/** Memory for a message before its bytes have come. A peer may announce any length. */
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
  /** The error of a longer one. */
  readonly tooLong: (bytes: number) => Error;
}

export interface Envelope {
  readonly flags: number;
  /** In memory of their own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Finds the messages in the chunks of a stream. */
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

  /** The next message that is whole. Undefined: there is none yet. Errors: `tooLong`. */
  next(): Envelope | undefined {
    if (!this.#readHead() || !this.#readMessage() || this.#message === undefined) return undefined;
    const envelope = { flags: this.#head[0] ?? 0, bytes: this.#message };
    this.#headBytes = 0;
    this.#message = undefined;
    return envelope;
  }

  /** Memory of what has come and was not given out. */
  get heldBytes(): number {
    return this.#chunk.length - this.#at + (this.#message?.length ?? this.#headBytes);
  }

  /** Whether a part of a head has come, or a part of a message after its head. */
  get hasPart(): boolean {
    return this.#message === undefined ? this.#headBytes > 0 : this.#messageBytes > 0;
  }

  /** Returns whether it is whole. */
  #readHead(): boolean {
    if (this.#message !== undefined) return true;
    this.#headBytes += this.#copyTo(this.#head, this.#headBytes, envelopeBytes);
    if (this.#headBytes < envelopeBytes) return false;
    const length = this.#length;
    if (length > this.#options.messageBytesMax) throw this.#options.tooLong(length);
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
