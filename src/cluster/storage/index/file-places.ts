/** Offsets and lengths of entries in one file, by slot. */
export class FilePlaces {
  #offsets: Float64Array;
  #bytes: Uint32Array;
  #liveBytes = 0;

  constructor(size: number) {
    this.#offsets = new Float64Array(size);
    this.#bytes = new Uint32Array(size);
  }

  /** Of all entries together. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  at(slot: number): { readonly offset: number; readonly bytes: number } {
    return { offset: this.#offsets[slot] ?? 0, bytes: this.#bytes[slot] ?? 0 };
  }

  /** An entry of no bytes is none. */
  set(slot: number, offset: number, bytes: number): void {
    this.#liveBytes += bytes - (this.#bytes[slot] ?? 0);
    this.#offsets[slot] = offset;
    this.#bytes[slot] = bytes;
  }

  grow(size: number): void {
    const offsets = new Float64Array(size);
    const bytes = new Uint32Array(size);
    offsets.set(this.#offsets);
    bytes.set(this.#bytes);
    this.#offsets = offsets;
    this.#bytes = bytes;
  }

  copy(): FilePlaces {
    const copy = new FilePlaces(0);
    copy.#offsets = this.#offsets.slice();
    copy.#bytes = this.#bytes.slice();
    copy.#liveBytes = this.#liveBytes;
    return copy;
  }
}
