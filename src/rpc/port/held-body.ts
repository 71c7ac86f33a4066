import { envelopeBytes } from "../../common/envelopes.ts";
import type { CallRoom } from "../call-room.ts";

type Body = AsyncIterable<Uint8Array<ArrayBuffer>>;

/**
 * Passes the body of a unary call on, and holds all that has come of it. `bytes` came before. Errors: RESOURCE_EXHAUSTED
 * (there is no room).
 */
export async function* holding(room: CallRoom, body: Body, bytes = 0): Body {
  let sum = bytes;
  for await (const chunk of body) {
    sum += chunk.length;
    room.require(sum);
    yield chunk;
  }
}

/** Likewise, of a stream: holds the message that is not whole. */
export async function* holdingParts(room: CallRoom, body: Body): Body {
  const part = new MessagePart();
  for await (const chunk of body) {
    part.push(chunk);
    room.require(part.bytes);
    yield chunk;
  }
}

/** Follows a stream to the message that is not whole. */
class MessagePart {
  readonly #head = Buffer.alloc(envelopeBytes);
  #bytes = 0;

  /** What has come of it, with its head. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const isHead = this.#bytes < envelopeBytes;
      const end = isHead ? envelopeBytes : this.#end;
      const bytes = Math.min(end - this.#bytes, chunk.length - at);
      if (isHead) this.#head.set(chunk.subarray(at, at + bytes), this.#bytes);
      this.#bytes += bytes;
      at += bytes;
      if (this.#bytes >= envelopeBytes && this.#bytes === this.#end) this.#bytes = 0;
    }
  }

  get #end(): number {
    return envelopeBytes + this.#head.readUInt32BE(1);
  }
}
