import { Column, SmallColumn } from "./column.ts";

/** Offsets and lengths of entries in one file, by slot. */
export class FilePlaces {
  readonly #offsets = new Column();
  readonly #bytes = new SmallColumn();
  #liveBytes = 0;

  /** Of all entries together. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  at(slot: number): { readonly offset: number; readonly bytes: number } {
    return { offset: this.#offsets.get(slot), bytes: this.#bytes.get(slot) };
  }

  /** An entry of no bytes is none. */
  set(slot: number, offset: number, bytes: number): void {
    this.#liveBytes += bytes - this.#bytes.get(slot);
    this.#offsets.set(slot, offset);
    this.#bytes.set(slot, bytes);
  }

  /**
   * Takes over what `other` has, with a `yield` between two parts of it: to do it at once would hold up everything else for
   * long. What is set in `other` meanwhile must be set here, too.
   */
  *copyFrom(other: FilePlaces): Generator<void, void, void> {
    for (let at = 0; at < other.#bytes.chunkCount; at++) {
      if (at > 0) yield;
      this.#offsets.copyChunk(other.#offsets, at);
      this.#bytes.copyChunk(other.#bytes, at);
    }
    this.#liveBytes = other.#liveBytes;
  }
}
