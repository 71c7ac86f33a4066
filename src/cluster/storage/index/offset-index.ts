/** Distance of two entries: a read has to skip less than this before it finds its record. */
const distanceBytes = 64 * 1024;

/** Offsets of some of the records after the base, by seq. */
export class OffsetIndex {
  readonly #seqs: number[];
  readonly #offsets: number[];

  constructor(seqs: number[] = [], offsets: number[] = []) {
    this.#seqs = seqs;
    this.#offsets = offsets;
  }

  /** Tells of a record. These must come with rising seqs. */
  add(seq: number, offset: number): void {
    const last = this.#offsets.at(-1);
    if (last !== undefined && offset - last < distanceBytes) return;
    this.#seqs.push(seq);
    this.#offsets.push(offset);
  }

  /** The last entry at or before `seq`. */
  find(seq: number): { seq: number; offset: number } | undefined {
    let low = 0;
    let high = this.#seqs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#seqs[middle] ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    const foundSeq = this.#seqs[low - 1];
    const offset = this.#offsets[low - 1];
    return foundSeq === undefined || offset === undefined ? undefined : { seq: foundSeq, offset };
  }

  /** Those up to `seq`, as pairs of seq and offset. */
  upTo(seq: number): [seq: number, offset: number][] {
    const later = this.#seqs.findLastIndex((candidate) => candidate <= seq) + 1;
    return this.#seqs.slice(0, later).map((found, at) => [found, this.#offsets[at] ?? 0]);
  }

  /** Seq of the last entry whose record stands at or before `offset`. */
  seqBefore(offset: number): number | undefined {
    const after = this.#offsets.findIndex((candidate) => candidate > offset);
    return after < 0 ? this.#seqs.at(-1) : this.#seqs[after - 1];
  }

  /** The index of a file whose base is `seq`, with the record after it at `offset` and the others `shift` bytes further on. */
  rebased(seq: number, offset: number, shift: number): OffsetIndex {
    const kept = this.#seqs.findIndex((candidate) => candidate > seq + 1);
    const seqs = kept < 0 ? [] : this.#seqs.slice(kept);
    const offsets = kept < 0 ? [] : this.#offsets.slice(kept).map((old) => old + shift);
    return new OffsetIndex([seq + 1, ...seqs], [offset, ...offsets]);
  }
}
