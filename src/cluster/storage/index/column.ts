import { invariant } from "../../../common/invariant.ts";

/** A growing column gets chunks of so many cells, and never copies what it has. */
const chunkBits = 13;
const cellMask = (1 << chunkBits) - 1;

/** Whole numbers below 2^32 by slot: 0 where nothing was set. */
export class SmallColumn {
  /** Only where something else than 0 was set. */
  #chunks: (Uint32Array | undefined)[] = [];

  /** Whether nothing but 0 was ever set. */
  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  get(slot: number): number {
    return this.#chunks[slot >>> chunkBits]?.[slot & cellMask] ?? 0;
  }

  set(slot: number, value: number): void {
    const at = slot >>> chunkBits;
    let chunk = this.#chunks[at];
    if (chunk === undefined) {
      if (value === 0) return;
      while (this.#chunks.length < at) this.#chunks.push(undefined);
      chunk = new Uint32Array(1 << chunkBits);
      this.#chunks[at] = chunk;
    }
    chunk[slot & cellMask] = value;
  }

  get chunkCount(): number {
    return this.#chunks.length;
  }

  /** Takes over one chunk, of those from 0 on, from another column. */
  copyChunk(other: SmallColumn, at: number): void {
    const chunk = other.#chunks[at];
    if (chunk === undefined) return;
    while (this.#chunks.length < at) this.#chunks.push(undefined);
    this.#chunks[at] = chunk.slice();
  }

  copy(): SmallColumn {
    const copy = new SmallColumn();
    for (let at = 0; at < this.chunkCount; at++) copy.copyChunk(this, at);
    return copy;
  }
}

/** 2^32 */
const highUnit = 0x1_0000_0000;

/** Whole numbers from 0 to 2^53 by slot: 0 where nothing was set. Small ones take half the room. */
export class Column {
  readonly #low = new SmallColumn();
  readonly #high = new SmallColumn();

  /** Whether nothing but 0 was ever set. */
  get isEmpty(): boolean {
    return this.#low.isEmpty && this.#high.isEmpty;
  }

  get(slot: number): number {
    const low = this.#low.get(slot);
    return this.#high.isEmpty ? low : this.#high.get(slot) * highUnit + low;
  }

  set(slot: number, value: number): void {
    invariant(value >= 0, "a column has no room for a number below 0");
    this.#low.set(slot, value >>> 0);
    this.#high.set(slot, Math.floor(value / highUnit));
  }

  get chunkCount(): number {
    return Math.max(this.#low.chunkCount, this.#high.chunkCount);
  }

  /** As that of a `SmallColumn`. */
  copyChunk(other: Column, at: number): void {
    this.#low.copyChunk(other.#low, at);
    this.#high.copyChunk(other.#high, at);
  }

  copy(): Column {
    const copy = new Column();
    for (let at = 0; at < this.chunkCount; at++) copy.copyChunk(this, at);
    return copy;
  }
}
