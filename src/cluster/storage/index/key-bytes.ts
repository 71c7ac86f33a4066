/** Part of some bytes. */
export interface Bytes {
  readonly from: Uint8Array;
  readonly start: number;
  readonly length: number;
}

let scratch = Buffer.alloc(4096);

/** The UTF-8 bytes of a key, until the next key is encoded. */
export function encodeKey(key: string): Bytes {
  if (scratch.length < 3 * key.length) scratch = Buffer.alloc(3 * key.length);
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    if (unit > 127) return { from: scratch, start: 0, length: scratch.write(key) };
    scratch[index] = unit;
  }
  return { from: scratch, start: 0, length: key.length };
}

/** Addresses count units of so many bytes, so that 32 bits reach 16 GiB. */
const unitBits = 2;
const unitBytes = 1 << unitBits;
/** Units of a chunk; a longer key has one of its own. */
const chunkUnitBits = 14;
const unitMask = (1 << chunkUnitBits) - 1;
/** Before each key stands its length, in one unit. */
const lengthBytes = unitBytes;

/** The same memory twice. */
interface Chunk {
  readonly bytes: Buffer;
  readonly units: Uint32Array;
}

/**
 * Keys in their UTF-8 bytes, outside of the heap of the runtime: there a key of 20 characters takes 24 bytes instead of 70
 * to 100, and the garbage collector has nothing to look at. The room of one that was removed goes to the next of that size.
 */
export class KeyBytes {
  readonly #chunks: Chunk[] = [];
  /** Units of the last chunk that are given away. */
  #usedUnits = 1 << chunkUnitBits;
  /** Addresses of free room, by its size in units. */
  readonly #free = new Map<number, number[]>();

  /** Returns the address of a copy, which is never 0. */
  add({ from, start, length }: Bytes): number {
    const address = this.#room(unitsOf(length));
    const { bytes, units } = this.#chunkAt(address);
    const at = startAt(address);
    units[address & unitMask] = length;
    for (let index = 0; index < length; index++) bytes[at + index] = from[start + index] ?? 0;
    return address;
  }

  /** The key at this address is no more. */
  remove(address: number): void {
    const units = unitsOf(this.at(address).length);
    const free = this.#free.get(units);
    if (free === undefined) this.#free.set(units, [address]);
    else free.push(address);
  }

  /** With the same keys at the same addresses, to be read only. */
  copy(): Pick<KeyBytes, "textAt"> {
    const copy = new KeyBytes();
    for (const { units } of this.#chunks) copy.#chunks.push(chunkOf(units.slice()));
    return copy;
  }

  /** Where a key stands, until one is added or removed. */
  at(address: number): Bytes {
    const { bytes, units } = this.#chunkAt(address);
    return { from: bytes, start: startAt(address), length: units[address & unitMask] ?? 0 };
  }

  textAt(address: number): string {
    const { bytes, units } = this.#chunkAt(address);
    const start = startAt(address);
    return bytes.toString("utf8", start, start + (units[address & unitMask] ?? 0));
  }

  /** Whether the key at an address is this one. */
  isAt(address: number, { from, start, length }: Bytes): boolean {
    const { bytes, units } = this.#chunkAt(address);
    if (units[address & unitMask] !== length) return false;
    const at = startAt(address);
    for (let index = 0; index < length; index++) {
      if (bytes[at + index] !== from[start + index]) return false;
    }
    return true;
  }

  /** Compares the key at an address with this one, byte by byte. */
  compareAt(address: number, { from, start, length }: Bytes): number {
    const { bytes, units } = this.#chunkAt(address);
    const ownLength = units[address & unitMask] ?? 0;
    const at = startAt(address);
    const common = Math.min(length, ownLength);
    for (let index = 0; index < common; index++) {
      const difference = (bytes[at + index] ?? 0) - (from[start + index] ?? 0);
      if (difference !== 0) return difference;
    }
    return ownLength - length;
  }

  #room(units: number): number {
    const free = this.#free.size === 0 ? undefined : this.#free.get(units)?.pop();
    if (free !== undefined) return free;
    if (this.#usedUnits + units > 1 << chunkUnitBits) {
      // The address 0 is that of no key.
      this.#usedUnits = this.#chunks.length === 0 ? 1 : 0;
      const size = Math.max(1 << chunkUnitBits, this.#usedUnits + units);
      this.#chunks.push(chunkOf(new Uint32Array(size)));
    }
    const address = (((this.#chunks.length - 1) << chunkUnitBits) | this.#usedUnits) >>> 0;
    this.#usedUnits += units;
    return address;
  }

  #chunkAt(address: number): Chunk {
    const chunk = this.#chunks[address >>> chunkUnitBits];
    if (chunk === undefined) throw new RangeError(`no key is at ${address}`);
    return chunk;
  }
}

function chunkOf(units: Uint32Array<ArrayBuffer>): Chunk {
  return { bytes: Buffer.from(units.buffer), units };
}

function unitsOf(length: number): number {
  return (length + lengthBytes + unitBytes - 1) >>> unitBits;
}

/** Where in its chunk the key at an address begins. */
function startAt(address: number): number {
  return ((address & unitMask) << unitBits) + lengthBytes;
}
