import assert from "node:assert/strict";
import type { KvClient } from "../../src/client/index.ts";
import type { Recorded } from "../support/told-events.ts";

/** Between two writes of a writer: the processes that start again and again need the processor. */
const restMs = 25;

/**
 * Writers, each with keys of its own, that write on until they are told to end. No call may fail, every read must show
 * what was written last, and the revisions of a key must rise.
 */
export class RecordedWrites {
  /** By key, in order. */
  readonly written = new Map<string, Recorded[]>();
  #writing: Promise<unknown>[] = [];
  #isOver = false;
  count = 0;
  /** Longest time in which a writer had no success. */
  longestGapMs = 0;

  /** Puts each key once, and then goes on. May be called again after `end`. */
  async begin(kv: KvClient, keys: readonly string[]): Promise<void> {
    this.#isOver = false;
    for (const key of keys) await this.#put(kv, key, "0");
    const writing = this.#writeOn(kv, keys);
    // Told by `end` and `failed`.
    writing.catch(() => {});
    this.#writing.push(writing);
  }

  /** Deletes the key, or puts it if it does not exist. Not a key of a writer. */
  async toggle(kv: KvClient, key: string): Promise<void> {
    if (!this.values.has(key)) return await this.#put(kv, key, "back");
    const deleted = await kv.delete(key);
    assert.ok(deleted, `${key} was there`);
    this.#record(key, undefined, deleted.revision);
  }

  /** Rejects as soon as a writer has failed. */
  async failed(): Promise<never> {
    await Promise.all(this.#writing);
    return await new Promise(() => {});
  }

  /** Lets the writers end. Rejects with what has failed. */
  async end(): Promise<void> {
    this.#isOver = true;
    const writing = this.#writing;
    this.#writing = [];
    await Promise.all(writing);
  }

  /** The last value of each key that exists. */
  get values(): Map<string, string> {
    const values = new Map<string, string>();
    for (const [key, changes] of this.written) {
      const value = changes.at(-1)?.value;
      if (value !== undefined) values.set(key, value);
    }
    return values;
  }

  async #writeOn(kv: KvClient, keys: readonly string[]): Promise<void> {
    for (let round = 1; !this.#isOver; round++) {
      for (const key of keys) {
        if (this.#isOver) return;
        const begunMs = performance.now();
        await this.#put(kv, key, `${round}`);
        assert.equal((await kv.get(key))?.text(), `${round}`, key);
        this.longestGapMs = Math.max(this.longestGapMs, performance.now() - begunMs);
        await new Promise((resolve) => setTimeout(resolve, restMs));
      }
    }
  }

  async #put(kv: KvClient, key: string, value: string): Promise<void> {
    this.#record(key, value, (await kv.put(key, value)).revision);
  }

  #record(key: string, value: string | undefined, revision: number): void {
    const changes = this.written.get(key) ?? [];
    const before = changes.at(-1)?.revision ?? 0;
    assert.ok(revision > before, `${key} has revision ${revision} after ${before}`);
    changes.push({ value, revision });
    this.written.set(key, changes);
    this.count++;
  }
}
