export interface Answered {
  readonly id: string;
  readonly seq: number;
}

/** The newest requests that records answer: by their id, the seq of the record. */
export class RequestTable {
  readonly #max: number;
  readonly #seqs = new Map<string, number>();
  /** In the order of their seqs. Those before the head have been forgotten; the array is made shorter from time to time. */
  #answered: Answered[] = [];
  #head = 0;
  #after: number;

  /** Remembers at most `max`, and none up to `after`. */
  constructor(max: number, after = 0) {
    this.#max = max;
    this.#after = after;
  }

  /** The requests of all records after this one are known. */
  get after(): number {
    return this.#after;
  }

  seqOf(id: string): number | undefined {
    return this.#seqs.get(id);
  }

  /** Those that are known, up to `seq`, in their order. */
  upTo(seq: number): Answered[] {
    const later = this.#answered.findLastIndex((answered) => answered.seq <= seq) + 1;
    return this.#answered.slice(this.#head, later);
  }

  /** Takes note of a record; these must come with rising seqs. */
  note(id: string | undefined, seq: number): void {
    if (id === undefined || seq <= this.#after) return;
    this.#seqs.set(id, seq);
    this.#answered.push({ id, seq });
    while (this.#answered.length - this.#head > this.#max) this.#forgetOldest();
  }

  /** Forgets those up to `seq`. */
  forget(seq: number): void {
    while ((this.#answered[this.#head]?.seq ?? Number.POSITIVE_INFINITY) <= seq) this.#forgetOldest();
    this.#after = Math.max(this.#after, seq);
  }

  /** Drops those after `seq`. */
  truncate(seq: number): void {
    for (
      let last = this.#answered.at(-1);
      last !== undefined && last.seq > seq;
      last = this.#answered.at(-1)
    ) {
      if (this.#answered.length === this.#head) break;
      this.#drop(last);
      this.#answered.pop();
    }
    this.#after = Math.min(this.#after, seq);
  }

  #forgetOldest(): void {
    const oldest = this.#answered[this.#head];
    if (oldest === undefined) return;
    this.#drop(oldest);
    this.#after = oldest.seq;
    this.#head++;
    if (this.#head < 1024 || this.#head * 2 < this.#answered.length) return;
    this.#answered = this.#answered.slice(this.#head);
    this.#head = 0;
  }

  /** An id that has come twice belongs to the later record. */
  #drop({ id, seq }: Answered): void {
    if (this.#seqs.get(id) === seq) this.#seqs.delete(id);
  }
}
