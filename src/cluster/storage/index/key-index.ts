import type { KeyFacts } from "../key-view.ts";
import { FilePlaces } from "./file-places.ts";

/** Where an entry stands in a log file. */
export interface EntryPlace {
  readonly seq: number;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Where the entry with the newest visible value of each key stands in the file.
 *
 * A key costs its string, a map entry and 28 bytes in arrays: about 130 bytes for a key of 20 characters, so that
 * 1,000,000 keys take about 130 MB, whatever their values.
 */
export class KeyIndex {
  readonly #slots = new Map<string, number>();
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  #seqs = new Float64Array(1024);
  /** 0: never. */
  #expiresMs = new Float64Array(1024);
  #places = new FilePlaces(1024);
  /** In the file that is to replace this one. */
  #nextPlaces: FilePlaces | undefined;
  /** Entries after `#shiftedAfter` stand so many bytes behind what `#places` says. */
  #shift = 0;
  #shiftedAfter = 0;

  get size(): number {
    return this.#slots.size;
  }

  /** Bytes in the file of all entries that the index names. */
  get liveBytes(): number {
    return this.#places.liveBytes;
  }

  keys(): MapIterator<string> {
    return this.#slots.keys();
  }

  /** Seq of the key's record; undefined when there is none. */
  seqOf(key: string): number | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#seqs[slot];
  }

  placeOf(key: string): EntryPlace | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    const seq = this.#seqs[slot] ?? 0;
    const { offset, bytes } = this.#places.at(slot);
    return { seq, offset: offset + this.#shiftAt(seq), bytes };
  }

  factsOf(key: string): KeyFacts | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    return { revision: this.#seqs[slot] ?? 0, expiresMs: this.#expiresMs[slot] || undefined };
  }

  /** When the key expires; undefined when it does not, or is not there. */
  expiresMsOf(key: string): number | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#expiresMs[slot] || undefined;
  }

  /** Returns whether the key is new. */
  set(key: string, { seq, offset, bytes }: EntryPlace, expiresMs: number | undefined): boolean {
    let slot = this.#slots.get(key);
    const isNew = slot === undefined;
    if (slot === undefined) {
      slot = this.#freeSlots.pop() ?? this.#newSlot();
      this.#slots.set(key, slot);
    }
    this.#seqs[slot] = seq;
    this.#expiresMs[slot] = expiresMs ?? 0;
    const stored = offset - this.#shiftAt(seq);
    this.#places.set(slot, stored, bytes);
    this.#nextPlaces?.set(slot, stored, bytes);
    return isNew;
  }

  /** Returns whether the key was there. */
  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#expiresMs[slot] = 0;
    this.#places.set(slot, 0, 0);
    this.#nextPlaces?.set(slot, 0, 0);
    this.#slots.delete(key);
    this.#freeSlots.push(slot);
    return true;
  }

  /** Prepares for another file with the same records; an earlier move that has not been finished is given up. */
  beginMove(): IndexMove {
    const next = this.#places.copy();
    this.#nextPlaces = next;
    return {
      place: (key, { seq, offset, bytes }) => {
        const slot = this.#slots.get(key);
        if (slot !== undefined && this.#seqs[slot] === seq) next.set(slot, offset, bytes);
      },
      finish: (afterSeq, shift) => {
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

  #shiftAt(seq: number): number {
    return seq > this.#shiftedAfter ? this.#shift : 0;
  }

  #newSlot(): number {
    const slot = this.#slotsUsed++;
    if (slot === this.#seqs.length) {
      const size = slot * 2;
      this.#seqs = grown(this.#seqs, size);
      this.#expiresMs = grown(this.#expiresMs, size);
      this.#places.grow(size);
      this.#nextPlaces?.grow(size);
    }
    return slot;
  }
}

/** While it lasts the index takes care of both files, so that its end is one step, however many keys there are. */
export interface IndexMove {
  /** Notes where an entry stands in the other file; does nothing when the index does not name it. */
  place(key: string, place: EntryPlace): void;
  /**
   * From now on the index is that of the other file. Records after `afterSeq`, which is never lower than in an earlier
   * move, stand there `shift` bytes further on; all others have been noted.
   */
  finish(afterSeq: number, shift: number): void;
  giveUp(): void;
}

function grown(from: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(size);
  to.set(from);
  return to;
}
