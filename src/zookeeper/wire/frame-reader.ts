import { ProtocolError } from "./jute.ts";

/** A larger packet means that the server is not ZooKeeper, whose own limit is 1 MiB unless raised. */
const PACKET_BYTES_MAX = 64 * 1024 * 1024;

const LENGTH_BYTES = 4;

/** Splits a stream of bytes into packets. Each begins with its length in four bytes. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next packet without its length, if it is complete. Errors: ProtocolError for an impossible length. */
  next(): Buffer | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined;
    const length = this.#peekLength();
    if (length < 0 || length > PACKET_BYTES_MAX) {
      throw new ProtocolError(`a packet of ${length} bytes; allowed: 0 to ${PACKET_BYTES_MAX}`);
    }
    if (this.#bytes < LENGTH_BYTES + length) return undefined;
    return this.#take(LENGTH_BYTES + length).subarray(LENGTH_BYTES);
  }

  #peekLength(): number {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= LENGTH_BYTES) return first.readInt32BE(0);
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]?.readInt32BE(0) ?? 0;
  }

  /** Removes this many bytes, which are there, from the front. Copies only bytes that lie in several chunks. */
  #take(bytes: number): Buffer {
    this.#bytes -= bytes;
    const [first] = this.#chunks;
    const whole = first !== undefined && first.length >= bytes ? first : Buffer.concat(this.#chunks);
    const rest = whole.subarray(bytes);
    if (whole === first) this.#chunks[0] = rest;
    else this.#chunks = [rest];
    if (rest.length === 0) this.#chunks.shift();
    return whole.subarray(0, bytes);
  }
}
