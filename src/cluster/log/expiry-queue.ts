import type { KeyIndex } from "./key-index.ts";

interface Expiry {
  readonly expiresMs: number;
  readonly key: string;
  /** Of the value that expires. */
  readonly seq: number;
}

/** Below this many there is nothing to save by clearing up. */
const sizeMin = 1024;

/**
 * The keys that expire, the earliest first: a binary heap. What has been overwritten or deleted since stays in it until
 * it comes up, or until it is more than the half.
 */
export class ExpiryQueue {
  readonly #index: Pick<KeyIndex, "seqOf" | "expiring">;
  #heap: Expiry[] = [];

  /** `index` says which values are still there. */
  constructor(index: Pick<KeyIndex, "seqOf" | "expiring">) {
    this.#index = index;
  }

  /** To be called when the index names the value. */
  add(key: string, seq: number, expiresMs: number): void {
    if (this.#heap.length > Math.max(sizeMin, 2 * this.#index.expiring)) this.#clearUp();
    this.#push({ key, seq, expiresMs });
  }

  /** When the next one expires. */
  get nextMs(): number | undefined {
    return this.#first()?.expiresMs;
  }

  /** Keys that expire up to `nowMs`, at most `max`, the earliest first. They stay in the queue. */
  due(nowMs: number, max: number): string[] {
    const taken: Expiry[] = [];
    for (let first = this.#first(); first !== undefined && taken.length < max; first = this.#first()) {
      if (first.expiresMs > nowMs) break;
      taken.push(first);
      this.#pop();
    }
    for (const expiry of taken) this.#push(expiry);
    return taken.map(({ key }) => key);
  }

  #first(): Expiry | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || this.#isCurrent(first)) return first;
      this.#pop();
    }
  }

  #isCurrent({ key, seq }: Expiry): boolean {
    return this.#index.seqOf(key) === seq;
  }

  #clearUp(): void {
    const kept = this.#heap.filter((expiry) => this.#isCurrent(expiry));
    this.#heap = [];
    for (const expiry of kept) this.#push(expiry);
  }

  #push(expiry: Expiry): void {
    const heap = this.#heap;
    let at = heap.push(expiry) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent];
      if (above === undefined || above.expiresMs <= expiry.expiresMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = expiry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if ((heap[child + 1]?.expiresMs ?? Number.POSITIVE_INFINITY) < (heap[child]?.expiresMs ?? 0)) child++;
      const below = heap[child];
      if (below === undefined || below.expiresMs >= last.expiresMs) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}
