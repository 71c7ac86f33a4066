import { Column, SmallColumn } from "./column.ts";

/** Offsets and lengths of entries in one file, by slot. */
export class FilePlaces {
  #offsets = new Column();
  #bytes = new SmallColumn();
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

  copy(): FilePlaces {
    const copy = new FilePlaces();
    copy.#offsets = this.#offsets.copy();
    copy.#bytes = this.#bytes.copy();
    copy.#liveBytes = this.#liveBytes;
    return copy;
  }
}
