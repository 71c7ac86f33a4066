import { invariant } from "../../../common/invariant.ts";
import { SmallColumn } from "./column.ts";
import { type Bytes, KeyBytes } from "./key-bytes.ts";
import { type HashSeed, hashKey } from "./key-hash.ts";

/**
 * The keys are spread over so many hash tables. Each grows by itself, at another moment than the others, so that no
 * addition moves more than a small part of them.
 */
const tableBits = 10;
const tableMask = (1 << tableBits) - 1;
const tableSizeMin = 4;
/** A table grows when more of it is used. */
const fullShare = 3 / 4;

/** Decides where in memory a key stands, and nothing that can be seen. */
const seed = randomSeed();

/** Gives each of a set of keys a number from 0 on, its slot. That of a key that was deleted is given again. */
export class KeySlots {
  readonly #bytes = new KeyBytes();
  /** Addresses in `#bytes`; 0: the slot is free. */
  readonly #addresses = new SmallColumn();
  /** So that a table grows, and most keys are told apart, without a look at the keys. */
  readonly #hashes = new SmallColumn();
  readonly #freeSlots: number[] = [];
  /** Of each slot its number plus 1, at the hash of its key or behind (linear probing); 0: nothing. */
  readonly #tables: (Uint32Array | undefined)[] = new Array(1 << tableBits).fill(undefined);
  readonly #counts = new Uint32Array(1 << tableBits);
  readonly #tableSize: number;
  /** Slots that have ever been given. */
  #slots = 0;

  /** Has room for so many keys; for more it makes room as they come. */
  constructor(expected = 0) {
    const tableKeys = expected / (tableMask + 1);
    this.#tableSize = Math.max(tableSizeMin, 2 ** Math.ceil(Math.log2(tableKeys / fullShare)));
  }

  get size(): number {
    return this.#slots - this.#freeSlots.length;
  }

  /** The slot of a key; undefined when it has none. */
  find(key: Bytes): number | undefined {
    const hash = hashKey(key, seed);
    const table = this.#tables[hash & tableMask];
    if (table === undefined) return undefined;
    const found = table[this.#seek(table, hash, key)] ?? 0;
    return found === 0 ? undefined : found - 1;
  }

  /** The slot of a key, which gets one if it has none. */
  obtain(key: Bytes): number {
    const hash = hashKey(key, seed);
    const at = hash & tableMask;
    let table = this.#tables[at] ?? new Uint32Array(this.#tableSize);
    let place = this.#seek(table, hash, key);
    const found = table[place] ?? 0;
    if (found > 0) return found - 1;
    const count = (this.#counts[at] ?? 0) + 1;
    if (count > table.length * fullShare) {
      table = this.#grown(table);
      place = this.#seek(table, hash, key);
    }
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    table[place] = slot + 1;
    this.#tables[at] = table;
    this.#counts[at] = count;
    this.#addresses.set(slot, this.#bytes.add(key));
    this.#hashes.set(slot, hash);
    return slot;
  }

  /** Takes a slot back. */
  delete(slot: number): void {
    const hash = this.#hashes.get(slot);
    const at = hash & tableMask;
    const table = this.#tables[at];
    invariant(table !== undefined, "a key to be deleted is not in its table");
    this.#close(table, this.#seek(table, hash, this.bytesAt(slot)));
    this.#counts[at] = (this.#counts[at] ?? 0) - 1;
    this.#bytes.remove(this.#addresses.get(slot));
    this.#addresses.set(slot, 0);
    this.#freeSlots.push(slot);
  }

  /** The slots of all keys, in no order. */
  all(): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.#slots; slot++) if (this.#addresses.get(slot) > 0) slots.push(slot);
    return slots;
  }

  /** Compares the keys of two slots, by their bytes. */
  compare(slot: number, other: number): number {
    return this.#bytes.compareAt(this.#addresses.get(slot), this.bytesAt(other));
  }

  keyAt(slot: number): string {
    return this.#bytes.textAt(this.#addresses.get(slot));
  }

  /** The key of a slot as it is now, whatever becomes of it later. */
  keysNow(): (slot: number) => string {
    const bytes = this.#bytes.copy();
    const addresses = this.#addresses.copy();
    return (slot) => bytes.textAt(addresses.get(slot));
  }

  /** Valid until a key is added or deleted. */
  bytesAt(slot: number): Bytes {
    return this.#bytes.at(this.#addresses.get(slot));
  }

  /** Compares the key of a slot with another, by their bytes. */
  compareAt(slot: number, key: Bytes): number {
    return this.#bytes.compareAt(this.#addresses.get(slot), key);
  }

  /** Where in the table a key stands, or would. */
  #seek(table: Uint32Array, hash: number, key: Bytes): number {
    const mask = table.length - 1;
    for (let index = homeOf(hash, mask); ; index = (index + 1) & mask) {
      const found = table[index] ?? 0;
      if (found === 0) return index;
      if (this.#hashes.get(found - 1) !== hash) continue;
      if (this.#bytes.isAt(this.#addresses.get(found - 1), key)) return index;
    }
  }

  #grown(table: Uint32Array): Uint32Array {
    const larger = new Uint32Array(table.length * 2);
    const mask = larger.length - 1;
    for (const found of table) {
      if (found === 0) continue;
      let index = homeOf(this.#hashes.get(found - 1), mask);
      while (larger[index] !== 0) index = (index + 1) & mask;
      larger[index] = found;
    }
    return larger;
  }

  /** Empties a place in the table, and moves up what would not be found behind the gap. */
  #close(table: Uint32Array, place: number): void {
    const mask = table.length - 1;
    let gap = place;
    for (let index = (gap + 1) & mask; ; index = (index + 1) & mask) {
      const found = table[index] ?? 0;
      if (found === 0) break;
      const home = homeOf(this.#hashes.get(found - 1), mask);
      if (((index - home) & mask) < ((index - gap) & mask)) continue;
      table[gap] = found;
      gap = index;
    }
    table[gap] = 0;
  }
}

/** Where in a table a key of this hash stands, if nothing else does. */
function homeOf(hash: number, mask: number): number {
  return (hash >>> tableBits) & mask;
}

function randomSeed(): HashSeed {
  const [low = 0, high = 0] = crypto.getRandomValues(new Int32Array(2));
  return [low, high];
}
