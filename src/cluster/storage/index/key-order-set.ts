import { compareKeys } from "../../../common/key-order.ts";

/** A full block is split in two, and small neighbours become one. */
const blockKeysMax = 512;
const blockKeysMin = blockKeysMax / 4;

/** When a key expires, in milliseconds since 1970; undefined: never. */
type ExpiryOf = (key: string) => number | undefined;

/**
 * A set of keys in the order of their UTF-8 bytes, in sorted blocks of a few hundred. An addition moves part of one
 * block and looks at a few keys; reading on from any key costs nothing for those before it. Keys that expire are found
 * by their block: of each it is known when the first of them does.
 */
export class KeyOrderSet {
  /** None of them is empty. */
  #blocks: string[][] = [];
  /** Of each block a time before which none of its keys expires; not later than when the first does. */
  #earliestMs: number[] = [];
  /** Whether any key may stand elsewhere by its UTF-8 bytes than by its UTF-16 units, which compare far quicker. */
  #hasHighUnits = false;

  /** Sorts the keys, which must be different ones, at once: far quicker than adding one by one. */
  static of(keys: Iterable<string>, expiryOf: ExpiryOf = never): KeyOrderSet {
    const order = new KeyOrderSet();
    const sorted = [...keys].sort();
    order.#hasHighUnits = sorted.some(hasHighUnit);
    if (order.#hasHighUnits) sorted.sort(compareKeys);
    // Room in each block, so that additions do not split all of them.
    const size = (blockKeysMax * 3) / 4;
    for (let from = 0; from < sorted.length; from += size) {
      const block = sorted.slice(from, from + size);
      order.#blocks.push(block);
      order.#earliestMs.push(earliestOf(block, expiryOf));
    }
    return order;
  }

  /** For a key that is in the set it changes only when it expires. */
  add(key: string, expiresMs = Number.POSITIVE_INFINITY): void {
    this.#hasHighUnits ||= hasHighUnit(key);
    const at = Math.max(0, this.#blockOf(key));
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push([key]);
      this.#earliestMs.push(expiresMs);
      return;
    }
    const earliestMs = Math.min(expiresMs, this.#earliestMs[at] ?? expiresMs);
    this.#earliestMs[at] = earliestMs;
    const index = this.#indexIn(block, key);
    if (block[index] === key) return;
    block.splice(index, 0, key);
    if (block.length <= blockKeysMax) return;
    this.#blocks.splice(at + 1, 0, block.splice(block.length / 2));
    this.#earliestMs.splice(at + 1, 0, earliestMs);
  }

  /** Does nothing for a key that is not in the set. */
  delete(key: string): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at];
    if (block === undefined) return;
    const index = this.#indexIn(block, key);
    if (block[index] !== key) return;
    block.splice(index, 1);
    if (block.length === 0) {
      this.#blocks.splice(at, 1);
      this.#earliestMs.splice(at, 1);
    } else if (block.length < blockKeysMin && !this.#merge(at)) this.#merge(at - 1);
  }

  /** Keys from `from` on, or only those above it. The set must not change meanwhile. */
  *ascending(from: string, isFromIncluded: boolean): Generator<string, void, void> {
    let at = Math.max(0, this.#blockOf(from));
    let index = this.#indexIn(this.#blocks[at] ?? [], from);
    if (!isFromIncluded && this.#blocks[at]?.[index] === from) index++;
    for (let block = this.#blocks[at]; block !== undefined; block = this.#blocks[++at]) {
      for (; index < block.length; index++) yield block[index] ?? "";
      index = 0;
    }
  }

  /** Keys below `before` (all, without it), the last one first. The set must not change meanwhile. */
  *descending(before: string | undefined): Generator<string, void, void> {
    let at = before === undefined ? this.#blocks.length - 1 : this.#blockOf(before);
    let index = before === undefined ? undefined : this.#indexIn(this.#blocks[at] ?? [], before);
    for (let block = this.#blocks[at]; block !== undefined; block = this.#blocks[--at]) {
      for (index ??= block.length; index > 0; index--) yield block[index - 1] ?? "";
      index = undefined;
    }
  }

  /**
   * Keys from `from` on that expire up to `nowMs`. Blocks in which none does cost nothing but to be counted. The set
   * must not change meanwhile.
   */
  *due(nowMs: number, from: string, expiryOf: ExpiryOf): Generator<string, void, void> {
    for (let at = Math.max(0, this.#blockOf(from)); at < this.#blocks.length; at++) {
      if ((this.#earliestMs[at] ?? 0) > nowMs) continue;
      const block = this.#blocks[at] ?? [];
      this.#earliestMs[at] = earliestOf(block, expiryOf);
      if ((this.#earliestMs[at] ?? 0) > nowMs) continue;
      for (let index = this.#indexIn(block, from); index < block.length; index++) {
        const key = block[index] ?? "";
        if ((expiryOf(key) ?? Number.POSITIVE_INFINITY) <= nowMs) yield key;
      }
    }
  }

  /** The block that the key belongs into: the last one that begins at or before it; -1 when none does. */
  #blockOf(key: string): number {
    const compare = this.#comparisonWith(key);
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#blocks[middle]?.[0] ?? "", key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Where in the block the first key stands that is not below `key`. */
  #indexIn(block: readonly string[], key: string): number {
    const compare = this.#comparisonWith(key);
    let low = 0;
    let high = block.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(block[middle] ?? "", key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #comparisonWith(key: string): (a: string, b: string) => number {
    return this.#hasHighUnits || hasHighUnit(key) ? compareKeys : compareUnits;
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

function never(): undefined {}

function earliestOf(block: readonly string[], expiryOf: ExpiryOf): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const key of block) earliestMs = Math.min(earliestMs, expiryOf(key) ?? earliestMs);
  return earliestMs;
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether the two orders may differ for this key. */
function hasHighUnit(key: string): boolean {
  return /[\ud800-\uffff]/.test(key);
}
