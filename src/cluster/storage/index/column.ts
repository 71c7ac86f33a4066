type Cells = Float64Array | Uint32Array;

/** A growing column gets chunks of so many cells, and never copies what it has. */
const chunkBits = 13;
const cellMask = (1 << chunkBits) - 1;

/** Numbers by slot: 0 where nothing was set. */
export class Column {
  readonly #makeCells: (cells: number) => Cells;
  /** Only where something else than 0 was set. */
  #chunks: (Cells | undefined)[] = [];

  /** Of any numbers, or of whole ones below 2^32 in half the room. */
  constructor(kind: "numbers" | "small numbers") {
    this.#makeCells =
      kind === "numbers" ? (cells) => new Float64Array(cells) : (cells) => new Uint32Array(cells);
  }

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
      chunk = this.#makeCells(1 << chunkBits);
      this.#chunks[at] = chunk;
    }
    chunk[slot & cellMask] = value;
  }

  /** Takes over what another column of this kind has. */
  copyFrom(other: Column): void {
    this.#chunks = other.#chunks.map((chunk) => chunk?.slice());
  }
}
