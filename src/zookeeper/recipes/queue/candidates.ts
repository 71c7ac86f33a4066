import { compareEntries, type Entry, parseEntry } from "./entries.ts";

/** Most entries that are kept of a list. */
const KEPT_MAX = 1000;

/** Entries of a list that one more take may cost to read. */
const LISTED_PER_TAKE_MAX = 100;

/**
 * The next entries to take, of the last list of all. A short list is read again as soon as anything has changed, so that
 * the order is exact. A list of n names is used for n / 100 takes first: else emptying a queue of 100,000 would take
 * 100,000 lists of as many.
 */
export class Candidates {
  #next: Entry[] = [];
  #usesLeft = 0;
  #isStale = true;

  /** Whether a new list would show something else. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Something has changed since the last list. */
  markStale(): void {
    this.#isStale = true;
  }

  /** To be called before a list is read, so that a change during the read is noticed. */
  beginList(): void {
    this.#isStale = false;
  }

  /** Takes a list of all names, and of those that are claimed. */
  load(names: readonly string[], claimed: readonly string[]): void {
    const isClaimed = new Set(claimed);
    const free = names
      .filter((name) => !isClaimed.has(name))
      .map(parseEntry)
      .filter((entry) => entry !== undefined)
      .sort(compareEntries);
    this.#next = free.slice(0, KEPT_MAX).reverse();
    this.#usesLeft = Math.floor(names.length / LISTED_PER_TAKE_MAX);
    if (free.length > KEPT_MAX) this.#isStale = true;
  }

  /** Removes and returns the first one. Undefined when there is none, or a list has to be read first. */
  take(): Entry | undefined {
    if (this.#isStale && this.#usesLeft === 0) return undefined;
    if (this.#usesLeft > 0) this.#usesLeft--;
    return this.#next.pop();
  }
}
