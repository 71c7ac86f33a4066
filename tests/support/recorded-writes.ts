import assert from "node:assert/strict";
import type { KvClient, KvEvent } from "../../src/client/index.ts";
import type { RedirectedCalls } from "./redirected-calls.ts";

/** A change of a key, the same for a write that was acknowledged and for an event. */
export interface Recorded {
  /** Undefined: the key was deleted. */
  readonly value: string | undefined;
  readonly revision: number;
}

/** How one key after another is written. Each call returns the revision. */
export interface Writer {
  put(key: string, value: string): Promise<number>;
  delete(key: string): Promise<number>;
  /** Undefined when the key does not exist. */
  get(key: string): Promise<string | undefined>;
}

export function writerOver(kv: KvClient): Writer {
  return {
    put: async (key, value) => (await kv.put(key, value)).revision,
    delete: async (key) => (await kv.delete(key))?.revision ?? assert.fail(`${key} was there before`),
    get: async (key) => (await kv.get(key))?.text(),
  };
}

/** Keys that it reads must exist. */
export function redirectedWriter(calls: RedirectedCalls): Writer {
  return {
    put: async (key, value) => {
      const request = { key, value: { case: "text", value } } as const;
      return Number((await calls.call(key, (client) => client.put(request))).revision);
    },
    delete: async (key) => Number((await calls.call(key, (client) => client.delete({ key }))).revision),
    get: async (key) => {
      const { value } = await calls.call(key, (client) => client.get({ key }));
      return value.case === "text" ? value.value : undefined;
    },
  };
}

/** Between two writes of a writer, which would else keep every core busy. */
const defaultRestMs = 4;

/**
 * Writers, each with keys of its own, that write on until they are told to end. No call may fail, every read must show
 * what was written last, and the revisions of a key must rise.
 */
export class RecordedWrites {
  /** By key, in order. */
  readonly written = new Map<string, Recorded[]>();
  readonly #restMs: number;
  #writing: Promise<unknown>[] = [];
  #isOver = false;
  count = 0;
  /** Longest time in which a writer had no success. */
  longestGapMs = 0;

  constructor({ restMs = defaultRestMs }: { readonly restMs?: number } = {}) {
    this.#restMs = restMs;
  }

  /** Puts each key once, and then goes on. Keys whose names begin with `deleted` are also deleted, now and then. May be called again after `end`. */
  async begin(writer: Writer, keys: readonly string[]): Promise<void> {
    this.#isOver = false;
    for (const key of keys) await this.#put(writer, key, "0");
    const writing = this.#writeOn(writer, keys);
    // Told by `end` and `failed`.
    writing.catch(() => {});
    this.#writing.push(writing);
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

  async #writeOn(writer: Writer, keys: readonly string[]): Promise<void> {
    for (let round = 1; !this.#isOver; round++) {
      for (const key of keys) {
        if (this.#isOver) return;
        const begunMs = performance.now();
        const isDeleted = key.startsWith("deleted") && round % 2 === 1;
        if (isDeleted) this.#record(key, undefined, await writer.delete(key));
        else {
          await this.#put(writer, key, `${round}`);
          assert.equal(await writer.get(key), `${round}`, key);
        }
        this.longestGapMs = Math.max(this.longestGapMs, performance.now() - begunMs);
        await new Promise((resolve) => setTimeout(resolve, this.#restMs));
      }
    }
  }

  async #put(writer: Writer, key: string, value: string): Promise<void> {
    this.#record(key, value, await writer.put(key, value));
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

/** Gathers the events of a watch, by key. */
export class ToldEvents {
  readonly byKey = new Map<string, Recorded[]>();
  readonly scope: (key: string) => boolean;
  readonly ready: Promise<void>;
  readonly #watch: AsyncIterator<KvEvent>;
  readonly #done: Promise<void>;
  #failure: unknown;
  count = 0;

  constructor(kv: KvClient, options: { readonly key?: string; readonly prefix?: string }) {
    const { key, prefix = "" } = options;
    this.scope = (other) => (key === undefined ? other.startsWith(prefix) : other === key);
    const watch = kv.watch(options);
    this.ready = watch.ready();
    this.#watch = watch[Symbol.asyncIterator]();
    this.#done = this.#read().catch((error) => {
      this.#failure = error;
    });
  }

  /** Whether it has been told as much as was written. Throws when the watch has failed. */
  isComplete(written: ReadonlyMap<string, readonly Recorded[]>): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    let expected = 0;
    for (const [key, changes] of written) if (this.scope(key)) expected += changes.length;
    return this.count >= expected;
  }

  async end(): Promise<void> {
    await this.#watch.return?.();
    await this.#done;
  }

  /** Each change once, and in order for each key. */
  assertIs(written: ReadonlyMap<string, readonly Recorded[]>): void {
    const concerned = [...written].filter(([key]) => this.scope(key));
    for (const [key, changes] of concerned) assert.deepEqual(this.byKey.get(key), changes, key);
    assert.equal(this.byKey.size, concerned.length);
  }

  async #read(): Promise<void> {
    for (;;) {
      const { done, value: event } = await this.#watch.next();
      if (done) return;
      const { key, revision } = event;
      const value = event.type === "put" ? event.text() : undefined;
      const told = this.byKey.get(key) ?? [];
      told.push({ value, revision });
      this.byKey.set(key, told);
      this.count++;
    }
  }
}
