/**
 * Jute, the encoding of ZooKeeper's protocol: big-endian integers; strings, byte strings and lists after a length of
 * four bytes, which is -1 for an absent one. See BinaryOutputArchive.java and BinaryInputArchive.java.
 */

/** The server's packet breaks the protocol. The connection cannot be used any further. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Writes one packet: its length in four bytes, then the fields in the order of the calls. */
export class JuteWriter {
  #packet = Buffer.allocUnsafe(256);
  #length = 4;

  int(value: number): this {
    const at = this.#reserve(4);
    this.#packet.writeInt32BE(value, at);
    return this;
  }

  long(value: bigint): this {
    const at = this.#reserve(8);
    this.#packet.writeBigInt64BE(value, at);
    return this;
  }

  bool(value: boolean): this {
    const at = this.#reserve(1);
    this.#packet[at] = value ? 1 : 0;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int(value.length);
    const at = this.#reserve(value.length);
    this.#packet.set(value, at);
    return this;
  }

  string(value: string | undefined): this {
    if (value === undefined) return this.int(-1);
    const length = Buffer.byteLength(value);
    this.int(length);
    const at = this.#reserve(length);
    this.#packet.write(value, at);
    return this;
  }

  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.int(values.length);
    for (const value of values) write(value);
    return this;
  }

  /** The packet; nothing can be written after this. */
  packet(): Buffer {
    this.#packet.writeInt32BE(this.#length - 4, 0);
    return this.#packet.subarray(0, this.#length);
  }

  #reserve(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#packet.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#packet.length));
      this.#packet.copy(larger, 0, 0, at);
      this.#packet = larger;
    }
    return at;
  }
}

/** Reads the fields of a packet (without its length). Errors: ProtocolError when a field is missing. */
export class JuteReader {
  readonly #packet: Buffer;
  #position = 0;

  constructor(packet: Buffer) {
    this.#packet = packet;
  }

  get remaining(): number {
    return this.#packet.length - this.#position;
  }

  int(): number {
    return this.#packet.readInt32BE(this.#advance(4));
  }

  long(): bigint {
    return this.#packet.readBigInt64BE(this.#advance(8));
  }

  bool(): boolean {
    return this.#packet[this.#advance(1)] !== 0;
  }

  /** A copy, so that a small value does not keep a large packet in memory. An absent one is empty. */
  bytes(): Uint8Array {
    const [start, end] = this.#span();
    return new Uint8Array(this.#packet.subarray(start, end));
  }

  string(): string {
    return this.#packet.toString("utf8", ...this.#span());
  }

  list<T>(read: () => T): T[] {
    const count = Math.max(0, this.int());
    // Every element has at least one byte. An impossible count must not cause a large allocation.
    if (count > this.remaining)
      throw new ProtocolError(`a list of ${count} elements in ${this.remaining} bytes`);
    return Array.from({ length: count }, read);
  }

  #span(): [start: number, end: number] {
    const length = Math.max(0, this.int());
    const start = this.#advance(length);
    return [start, start + length];
  }

  #advance(bytes: number): number {
    if (bytes > this.remaining) {
      throw new ProtocolError(`a field of ${bytes} bytes where ${this.remaining} are left`);
    }
    const at = this.#position;
    this.#position += bytes;
    return at;
  }
}
