/** Distance of two offsetIndex: a read has to skip less than this before it finds its record. */
const distanceBytes = 64 * 1024;

/** Offsets of some of the records after the base, by seq. */
export class OffsetIndex {
  #seqs: number[] = [];
  #offsets: number[] = [];

  /** Tells of a record; those must come with rising seqs. */
  add(seq: number, offset: number): void {
    const last = this.#offsets.at(-1);
    if (last !== undefined && offset - last < distanceBytes) return;
    this.#seqs.push(seq);
    this.#offsets.push(offset);
  }

  /** The last one at or before `seq`. */
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

  /** Seq of the last one that stands at or before `offset`. */
  seqBefore(offset: number): number | undefined {
    const after = this.#offsets.findIndex((candidate) => candidate > offset);
    return after < 0 ? this.#seqs.at(-1) : this.#seqs[after - 1];
  }

  /** Drops those after `seq`. */
  truncate(seq: number): void {
    while ((this.#seqs.at(-1) ?? 0) > seq) {
      this.#seqs.pop();
      this.#offsets.pop();
    }
  }

  /** Drops those up to `seq`; the record after it stands at `offset`, and the others `shift` bytes further on. */
  rebase(seq: number, offset: number, shift: number): void {
    const kept = this.#seqs.findIndex((candidate) => candidate > seq + 1);
    const seqs = kept < 0 ? [] : this.#seqs.slice(kept);
    const offsets = kept < 0 ? [] : this.#offsets.slice(kept).map((old) => old + shift);
    this.#seqs = [seq + 1, ...seqs];
    this.#offsets = [offset, ...offsets];
  }
}
