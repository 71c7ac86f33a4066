import type { KeyFacts } from "../log-store.ts";

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
  #offsets = new Float64Array(1024);
  #seqs = new Float64Array(1024);
  #bytes = new Uint32Array(1024);
  /** 0: never. */
  #expiresMs = new Float64Array(1024);
  #liveBytes = 0;
  #expiring = 0;

  get size(): number {
    return this.#slots.size;
  }

  /** Bytes in the file of all entries that the index names. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Number of keys that expire. */
  get expiring(): number {
    return this.#expiring;
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
    return { seq: this.#seqs[slot] ?? 0, offset: this.#offsets[slot] ?? 0, bytes: this.#bytes[slot] ?? 0 };
  }

  factsOf(key: string): KeyFacts | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    return { revision: this.#seqs[slot] ?? 0, expiresMs: this.#expiresMs[slot] || undefined };
  }

  /** Returns whether the key is new. */
  set(key: string, { seq, offset, bytes }: EntryPlace, expiresMs: number | undefined): boolean {
    let slot = this.#slots.get(key);
    const isNew = slot === undefined;
    if (slot === undefined) {
      slot = this.#freeSlots.pop() ?? this.#newSlot();
      this.#slots.set(key, slot);
    } else {
      this.#leave(slot);
    }
    this.#seqs[slot] = seq;
    this.#offsets[slot] = offset;
    this.#bytes[slot] = bytes;
    this.#expiresMs[slot] = expiresMs ?? 0;
    this.#liveBytes += bytes;
    if (expiresMs !== undefined) this.#expiring++;
    return isNew;
  }

  /** Returns whether the key was there. */
  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#leave(slot);
    this.#bytes[slot] = 0;
    this.#slots.delete(key);
    this.#freeSlots.push(slot);
    return true;
  }

  #leave(slot: number): void {
    this.#liveBytes -= this.#bytes[slot] ?? 0;
    if (this.#expiresMs[slot] !== 0) this.#expiring--;
  }

  /** Prepares for another file with the same records. */
  beginMove(): IndexMove {
    const offsets = new Float64Array(this.#slotsUsed);
    const bytes = new Uint32Array(this.#slotsUsed);
    return {
      place: (key, place) => {
        const slot = this.#slots.get(key);
        if (slot === undefined || this.#seqs[slot] !== place.seq) return;
        offsets[slot] = place.offset;
        bytes[slot] = place.bytes;
      },
      finish: (afterSeq, shift) => {
        // Through the arrays, free slots and all: a million of them in a few milliseconds, while appends wait.
        for (let slot = 0; slot < this.#slotsUsed; slot++) {
          if ((this.#seqs[slot] ?? 0) > afterSeq) {
            this.#offsets[slot] = (this.#offsets[slot] ?? 0) + shift;
          } else if ((this.#bytes[slot] ?? 0) > 0) {
            this.#offsets[slot] = offsets[slot] ?? 0;
            this.#liveBytes += (bytes[slot] ?? 0) - (this.#bytes[slot] ?? 0);
            this.#bytes[slot] = bytes[slot] ?? 0;
          }
        }
      },
    };
  }

  #newSlot(): number {
    const slot = this.#slotsUsed++;
    if (slot === this.#offsets.length) {
      this.#offsets = grown(this.#offsets, new Float64Array(slot * 2));
      this.#seqs = grown(this.#seqs, new Float64Array(slot * 2));
      this.#bytes = grown(this.#bytes, new Uint32Array(slot * 2));
      this.#expiresMs = grown(this.#expiresMs, new Float64Array(slot * 2));
    }
    return slot;
  }
}

export interface IndexMove {
  /** Notes where an entry stands in the other file; does nothing when the index does not name it. */
  place(key: string, place: EntryPlace): void;
  /**
   * From now on the index is that of the other file. Records after `afterSeq` stand there `shift` bytes further on;
   * all others have been noted.
   */
  finish(afterSeq: number, shift: number): void;
}

function grown<T extends Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
