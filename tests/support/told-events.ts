import assert from "node:assert/strict";
import type { KvClient, KvEvent } from "../../src/client/index.ts";

/** A change of a key, the same for a write that was acknowledged and for an event. */
export interface Recorded {
  /** Undefined: the key was deleted. */
  readonly value: string | undefined;
  readonly revision: number;
}

/** Gathers the events of a watch, by key. */
export class ToldEvents {
  readonly byKey = new Map<string, Recorded[]>();
  readonly scope: (key: string) => boolean;
  readonly ready: Promise<void>;
  #failure: unknown;
  count = 0;

  constructor(kv: KvClient, options: { readonly key?: string; readonly prefix?: string }) {
    const { key, prefix = "" } = options;
    this.scope = (other) => (key === undefined ? other.startsWith(prefix) : other === key);
    const watch = kv.watch(options);
    this.ready = watch.ready();
    this.#read(watch).catch((error: unknown) => {
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

  /** Each change once, and in order for each key. */
  assertIs(written: ReadonlyMap<string, readonly Recorded[]>): void {
    const concerned = [...written].filter(([key]) => this.scope(key));
    for (const [key, changes] of concerned) assert.deepEqual(this.byKey.get(key), changes, key);
    assert.equal(this.byKey.size, concerned.length);
  }

  async #read(watch: AsyncIterable<KvEvent>): Promise<void> {
    for await (const event of watch) {
      const { key, revision } = event;
      const value = event.type === "put" ? event.text() : undefined;
      const told = this.byKey.get(key) ?? [];
      told.push({ value, revision });
      this.byKey.set(key, told);
      this.count++;
    }
    throw new Error("the watch has ended");
  }
}
