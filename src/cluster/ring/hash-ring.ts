import crc32 from "crc-32";

/** With as many, shares differ by about 1 %. More would only cost memory: a point takes 8 bytes. */
export const virtualNodesMax = 10_000;

const hashCount = 2 ** 32;

/**
 * Which group a key belongs to. Each group has 1 + `virtualNodes` points, at `crc32(i + name)` for i = 0, 1, …; a key
 * belongs to the first point at or after `crc32` of its UTF-8 bytes, wrapping round. Of several groups with a point at
 * the same hash, the one whose name comes first in UTF-16 order has it, in whatever order they were given. Such ties
 * are not only chance: group `0a` at i = 1 and group `a` at i = 10 hash the same text.
 */
export class HashRing {
  readonly #names: readonly string[];
  /** Rising, without repetition. */
  readonly #hashes: Uint32Array;
  /** Index in `#names` of the owner of each point. */
  readonly #owners: Uint32Array;

  /**
   * Names given twice count once. `virtualNodes`: default 2, from 0 to {@link virtualNodesMax}.
   * Errors: RangeError for another number.
   */
  constructor(groups: Iterable<string>, options: { virtualNodes?: number } = {}) {
    const { virtualNodes = 2 } = options;
    if (!Number.isInteger(virtualNodes) || virtualNodes < 0 || virtualNodes > virtualNodesMax) {
      throw new RangeError(
        `virtualNodes is ${virtualNodes}; it must be a whole number from 0 to ${virtualNodesMax}`,
      );
    }
    this.#names = [...new Set(groups)].sort();
    const points = new Map<number, number>();
    this.#names.forEach((name, owner) => {
      for (let i = 0; i <= virtualNodes; i++) {
        const hash = hashOf(`${i}${name}`);
        if (!points.has(hash)) points.set(hash, owner);
      }
    });
    this.#hashes = Uint32Array.from(points.keys()).sort();
    this.#owners = this.#hashes.map((hash) => points.get(hash) ?? 0);
  }

  /** Hashes at which arcs end, rising. */
  get points(): Uint32Array {
    return this.#hashes;
  }

  /** The group that the key belongs to. Undefined when there are no groups. */
  owner(key: string): string | undefined {
    return this.ownerAt(hashOfKey(key));
  }

  /** The group that keys with this hash belong to. Undefined when there are no groups. */
  ownerAt(hash: number): string | undefined {
    let from = 0;
    let to = this.#hashes.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#hashes[middle] ?? 0) < hash) from = middle + 1;
      else to = middle;
    }
    const owner = this.#owners[from === this.#hashes.length ? 0 : from];
    return owner === undefined ? undefined : this.#names[owner];
  }

  /** The share of all hash values of each group. Exact: the sum is 1. */
  shares(): Map<string, number> {
    const shares = new Map(this.#names.map((name) => [name, 0]));
    for (const { end, share } of arcsOf(this.#hashes)) {
      const owner = this.ownerAt(end) ?? "";
      shares.set(owner, (shares.get(owner) ?? 0) + share);
    }
    return shares;
  }
}

/** A part of the ring that ends at a hash and begins behind the one before. */
export interface Arc {
  readonly end: number;
  /** Of all hash values. */
  readonly share: number;
}

/** The arcs between hashes, which rise without repetition. */
export function* arcsOf(
  ends: Iterable<number> & { at(index: number): number | undefined },
): Generator<Arc, void, void> {
  let previous = (ends.at(-1) ?? 0) - hashCount;
  for (const end of ends) {
    yield { end, share: (end - previous) / hashCount };
    previous = end;
  }
}

/** Where a key stands on the ring. */
export function hashOfKey(key: string): number {
  return hashOf(hashedPart(key));
}

/** CRC-32 of the text's UTF-8 bytes. */
function hashOf(text: string): number {
  return crc32.str(text.toWellFormed()) >>> 0;
}

/** The key, or the non-empty text between its first `{` and the first `}` after that (Redis Cluster's hash tags). */
function hashedPart(key: string): string {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}
