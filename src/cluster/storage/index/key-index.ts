import { invariant } from "../../../common/invariant.ts";
import { Column } from "./column.ts";
import { FilePlaces } from "./file-places.ts";
import { type Bytes, encodeKey } from "./key-bytes.ts";
import type { KeyItems } from "./key-order-set.ts";
import { KeySlots } from "./key-slots.ts";

/** Where an entry stands in a log file. */
export interface EntryPlace extends FilePlace {
  /** Of a copy: the revision of the record that it was copied from; 0: it is none. */
  readonly copiedRevision: number;
}

export interface FilePlace {
  readonly seq: number;
  readonly offset: number;
  readonly bytes: number;
}

/** What the index says of a key. */
export interface IndexedKey extends EntryPlace {
  readonly expiresMs: number | undefined;
}

/** The same without the place. */
export type IndexedFacts = Pick<IndexedKey, "seq" | "copiedRevision" | "expiresMs">;

/**
 * Where the entry with the newest visible value of each key stands in the file.
 *
 * Nothing of it is an object for each key. A key of 20 characters costs 24 bytes for itself and its length, about 7 in
 * a hash table, 4 for its hash, 4 for where it stands, 12 for its entry (16 beyond 4 GiB of log, 20 beyond 2^32 records);
 * and 8 more when it expires, 4 to 8 more when it is a copy, and 8 to 11 in `KeyOrderSet`.
 */
export class KeyIndex implements KeyItems<number> {
  readonly #slots: KeySlots;
  readonly #seqs = new Column();
  /** 0: never. */
  readonly #expiresMs = new Column();
  readonly #copiedRevisions = new Column();
  #places = new FilePlaces();
  /** In the file that is to replace this one. */
  #nextPlaces: FilePlaces | undefined;
  /** Entries after `#shiftedAfter` stand so many bytes behind what `#places` says. */
  #shift = 0;
  #shiftedAfter = 0;

  /** With so many keys to come. */
  constructor(expected = 0) {
    this.#slots = new KeySlots(expected);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Bytes in the file of all entries that the index names. */
  get liveBytes(): number {
    return this.#places.liveBytes;
  }

  /** Whether there was ever a copied value. */
  get hasCopies(): boolean {
    return !this.#copiedRevisions.isEmpty;
  }

  /** All keys, in no order. */
  *keys(): Generator<string, void, void> {
    for (const slot of this.#slots.all()) yield this.#slots.keyAt(slot);
  }

  /** Seq of the key's record; undefined when there is none. */
  seqOf(key: string): number | undefined {
    const slot = this.#find(key);
    return slot === undefined ? undefined : this.#seqs.get(slot);
  }

  placeOf(key: string): IndexedKey | undefined {
    const slot = this.#find(key);
    if (slot === undefined) return undefined;
    const seq = this.#seqs.get(slot);
    const { offset, bytes } = this.#places.at(slot);
    const copiedRevision = this.#copiedRevisions.get(slot);
    const expiresMs = this.expiresMsOf(slot);
    return { seq, copiedRevision, offset: offset + this.#shiftAt(seq), bytes, expiresMs };
  }

  factsOf(key: string): IndexedFacts | undefined {
    const slot = this.#find(key);
    if (slot === undefined) return undefined;
    const copiedRevision = this.#copiedRevisions.get(slot);
    return { seq: this.#seqs.get(slot), copiedRevision, expiresMs: this.expiresMsOf(slot) };
  }

  /** When the key of a slot expires; undefined when it does not. */
  expiresMsOf(slot: number): number | undefined {
    return this.#expiresMs.get(slot) || undefined;
  }

  keyOf(slot: number): string {
    return this.#slots.keyAt(slot);
  }

  comparing(key: string): (slot: number) => number {
    const bytes = encodeKey(key);
    return (slot) => this.#slots.compareAt(slot, bytes);
  }

  /** The slots of all keys, in the order of these. Quick when most of them were set in that order. */
  sorted(): number[] {
    const slots = this.#slots.all();
    const compare = (a: number, b: number) => this.#slots.compare(a, b);
    let end = 1;
    while (end < slots.length && compare(slots[end - 1] ?? 0, slots[end] ?? 0) < 0) end++;
    return end >= slots.length ? slots : merged(slots.slice(0, end), slots.slice(end).sort(compare), compare);
  }

  /** Returns the slot of a key that is new. */
  set(
    key: string | Bytes,
    { seq, copiedRevision, offset, bytes }: EntryPlace,
    expiresMs: number | undefined,
  ): number | undefined {
    const keyBytes = typeof key === "string" ? encodeKey(key) : key;
    const { size } = this.#slots;
    const slot = this.#slots.obtain(keyBytes);
    this.#seqs.set(slot, seq);
    this.#copiedRevisions.set(slot, copiedRevision);
    this.#expiresMs.set(slot, expiresMs ?? 0);
    const stored = offset - this.#shiftAt(seq);
    this.#places.set(slot, stored, bytes);
    this.#nextPlaces?.set(slot, stored, bytes);
    return this.#slots.size > size ? slot : undefined;
  }

  /** Returns whether the key was there. */
  delete(key: string): boolean {
    const slot = this.#find(key);
    if (slot === undefined) return false;
    this.#copiedRevisions.set(slot, 0);
    this.#expiresMs.set(slot, 0);
    this.#places.set(slot, 0, 0);
    this.#nextPlaces?.set(slot, 0, 0);
    this.#slots.delete(slot);
    return true;
  }

  /** Prepares for another file with the same records; an earlier move that has not been finished is given up. */
  beginMove(): IndexMove {
    const next = new FilePlaces();
    this.#nextPlaces = next;
    const copying = next.copyFrom(this.#places);
    let isPrepared = false;
    return {
      prepare: () => {
        isPrepared ||= copying.next().done === true;
        return isPrepared;
      },
      place: (key, { seq, offset, bytes }) => {
        const slot = this.#find(key);
        if (slot !== undefined && this.#seqs.get(slot) === seq) next.set(slot, offset, bytes);
      },
      finish: (afterSeq, shift) => {
        invariant(isPrepared, "an index has not been told of all entries of a file before it is the file's");
        this.#places = next;
        this.#nextPlaces = undefined;
        this.#shift += shift;
        this.#shiftedAfter = afterSeq;
      },
      giveUp: () => {
        this.#nextPlaces = undefined;
      },
    };
  }

  #find(key: string): number | undefined {
    return this.#slots.find(encodeKey(key));
  }

  #shiftAt(seq: number): number {
    return seq > this.#shiftedAfter ? this.#shift : 0;
  }
}

/** While it lasts the index takes care of both files, so that its end is one step, however many keys there are. */
export interface IndexMove {
  /** Takes over a part of what the index says now. To be called, before anything else, until it returns true. */
  prepare(): boolean;
  /** Notes where an entry stands in the other file; does nothing when the index does not name it. */
  place(key: string, place: FilePlace): void;
  /**
   * From now on the index is that of the other file. Records after `afterSeq`, which is never lower than in an earlier
   * move, stand there `shift` bytes further on; all others have been noted.
   */
  finish(afterSeq: number, shift: number): void;
  giveUp(): void;
}

function merged(
  a: readonly number[],
  b: readonly number[],
  compare: (a: number, b: number) => number,
): number[] {
  const all: number[] = [];
  let next = 0;
  for (const slot of b) {
    for (let before = a[next]; before !== undefined && compare(before, slot) < 0; before = a[++next])
      all.push(before);
    all.push(slot);
  }
  for (; next < a.length; next++) all.push(a[next] ?? 0);
  return all;
}
