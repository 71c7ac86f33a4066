/** A full block is split in two, and small neighbours become one. */
const blockKeysMax = 512;
const blockKeysMin = blockKeysMax / 4;

/** Below 0 for items whose key is below the one compared with. */
type Comparison<Item> = (item: Item) => number;

/** What stands for keys in a set: strings, or something smaller. */
export interface KeyItems<Item> {
  /** Compares items with a key, by the UTF-8 bytes; until it is asked for another key. */
  comparing(key: string): Comparison<Item>;
  keyOf(item: Item): string;
  /** When the key expires, in milliseconds since 1970; undefined: never. */
  expiresMsOf(item: Item): number | undefined;
}

/**
 * A set of keys in the order of their UTF-8 bytes, in sorted blocks of a few hundred. An addition moves part of one
 * block and looks at a few keys; reading on from any key costs nothing for those before it. Keys that expire are found
 * by their block: of each it is known when the first of them does.
 */
export class KeyOrderSet<Item> {
  readonly #items: KeyItems<Item>;
  /** None of them is empty. */
  #blocks: Item[][] = [];
  /** Of each block a time before which none of its keys expires; not later than when the first does. */
  #earliestMs: number[] = [];

  /** `sorted`: what it begins with, in its order. */
  constructor(items: KeyItems<Item>, sorted: readonly Item[] = []) {
    this.#items = items;
    // Room in each block, so that additions do not split all of them.
    const size = (blockKeysMax * 3) / 4;
    for (let from = 0; from < sorted.length; from += size) {
      const block = sorted.slice(from, from + size);
      this.#blocks.push(block);
      this.#earliestMs.push(this.#earliestOf(block));
    }
  }

  /** Adds a key that is not in the set. */
  add(key: string, item: Item): void {
    const expiresMs = this.#items.expiresMsOf(item) ?? Number.POSITIVE_INFINITY;
    const compare = this.#items.comparing(key);
    const at = Math.max(0, this.#blockOf(compare));
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push([item]);
      this.#earliestMs.push(expiresMs);
      return;
    }
    const earliestMs = Math.min(expiresMs, this.#earliestMs[at] ?? expiresMs);
    this.#earliestMs[at] = earliestMs;
    block.splice(indexIn(block, compare), 0, item);
    if (block.length <= blockKeysMax) return;
    this.#blocks.splice(at + 1, 0, block.splice(block.length / 2));
    this.#earliestMs.splice(at + 1, 0, earliestMs);
  }

  /** A key that is in the set expires then. */
  expires(key: string, expiresMs: number): void {
    const at = this.#blockOf(this.#items.comparing(key));
    this.#earliestMs[at] = Math.min(expiresMs, this.#earliestMs[at] ?? expiresMs);
  }

  /** Does nothing for a key that is not in the set. */
  delete(key: string): void {
    const compare = this.#items.comparing(key);
    const at = this.#blockOf(compare);
    const block = this.#blocks[at];
    if (block === undefined) return;
    const index = indexIn(block, compare);
    const item = block[index];
    if (item === undefined || compare(item) !== 0) return;
    block.splice(index, 1);
    if (block.length === 0) {
      this.#blocks.splice(at, 1);
      this.#earliestMs.splice(at, 1);
    } else if (block.length < blockKeysMin && !this.#merge(at)) this.#merge(at - 1);
  }

  /** Keys from `from` on, or only those above it. The set must not change meanwhile. */
  *ascending(from: string, isFromIncluded: boolean): Generator<string, void, void> {
    const compare = this.#items.comparing(from);
    let at = Math.max(0, this.#blockOf(compare));
    const first = this.#blocks[at] ?? [];
    let index = indexIn(first, compare);
    const next = first[index];
    if (!isFromIncluded && next !== undefined && compare(next) === 0) index++;
    for (let block = this.#blocks[at]; block !== undefined; block = this.#blocks[++at]) {
      for (const item of block.slice(index)) yield this.#items.keyOf(item);
      index = 0;
    }
  }

  /** Keys below `before` (all, without it), the last one first. The set must not change meanwhile. */
  *descending(before: string | undefined): Generator<string, void, void> {
    const compare = before === undefined ? undefined : this.#items.comparing(before);
    let at = compare === undefined ? this.#blocks.length - 1 : this.#blockOf(compare);
    let index = compare === undefined ? undefined : indexIn(this.#blocks[at] ?? [], compare);
    for (let block = this.#blocks[at]; block !== undefined; block = this.#blocks[--at]) {
      for (const item of block.slice(0, index).reverse()) yield this.#items.keyOf(item);
      index = undefined;
    }
  }

  /**
   * Keys from `from` on that expire up to `nowMs`. Blocks in which none does cost nothing but to be counted. The set
   * must not change meanwhile.
   */
  *due(nowMs: number, from: string): Generator<string, void, void> {
    for (let at = Math.max(0, this.#blockOf(this.#items.comparing(from))); at < this.#blocks.length; at++) {
      if ((this.#earliestMs[at] ?? 0) > nowMs) continue;
      const block = this.#blocks[at] ?? [];
      this.#earliestMs[at] = this.#earliestOf(block);
      if ((this.#earliestMs[at] ?? 0) > nowMs) continue;
      for (const item of block.slice(indexIn(block, this.#items.comparing(from)))) {
        if ((this.#items.expiresMsOf(item) ?? Number.POSITIVE_INFINITY) <= nowMs)
          yield this.#items.keyOf(item);
      }
    }
  }

  /** The block that the key belongs into: the last one that begins at or before it; -1 when none does. */
  #blockOf(compare: Comparison<Item>): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = this.#blocks[middle]?.[0];
      if (first !== undefined && compare(first) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #earliestOf(block: readonly Item[]): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const item of block) earliestMs = Math.min(earliestMs, this.#items.expiresMsOf(item) ?? earliestMs);
    return earliestMs;
  }

  /** Joins a block and the next, if they are small enough together. */
  #merge(at: number): boolean {
    const block = this.#blocks[at];
    const next = this.#blocks[at + 1];
    if (block === undefined || next === undefined || block.length + next.length > blockKeysMax / 2)
      return false;
    this.#blocks.splice(at, 2, [...block, ...next]);
    this.#earliestMs.splice(at, 2, Math.min(this.#earliestMs[at] ?? 0, this.#earliestMs[at + 1] ?? 0));
    return true;
  }
}

/** Where in the block the first key stands that is not below the one compared with. */
function indexIn<Item>(block: readonly Item[], compare: Comparison<Item>): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = block[middle];
    if (item !== undefined && compare(item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
