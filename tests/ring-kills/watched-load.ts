import assert from "node:assert/strict";
import { KvClient } from "../../src/client/index.ts";
import { ToldEvents } from "../support/told-events.ts";
import { until } from "../support/until.ts";
import { RecordedWrites } from "./recorded-writes.ts";

const writerCount = 3;
/** Of each writer. */
const keysPerWriter = 15;
/** Keys that are deleted between moves, and put again. */
const toggledKeys = 6;
const callMs = 60_000;

/** Writers, and two watches of all keys: one asks the data nodes, the other only routers. */
export class WatchedLoad {
  readonly #clients: readonly KvClient[];
  readonly #writes = new RecordedWrites();
  readonly #watches: readonly ToldEvents[];

  constructor(routers: readonly string[]) {
    this.#clients = [true, false].map((direct) => new KvClient({ routers, direct, deadlineMs: callMs }));
    this.#watches = this.#clients.map((kv) => new ToldEvents(kv, {}));
  }

  /** Begins, also after `check`. */
  async begin(): Promise<void> {
    await Promise.all(this.#watches.map(({ ready }) => ready));
    await Promise.all(
      Array.from({ length: writerCount }, (_, writer) => {
        const keys = Array.from({ length: keysPerWriter }, (_, n) => `key-${writer}-${n}`);
        return this.#writes.begin(this.#kv, keys);
      }),
    );
  }

  /** Writes that were acknowledged. */
  get writeCount(): number {
    return this.#writes.count;
  }

  /** Longest time in which a writer had no success. */
  get longestGapMs(): number {
    return this.#writes.longestGapMs;
  }

  /** Those that exist. */
  get keys(): string[] {
    return [...this.#writes.values.keys()];
  }

  /**
   * Deletes keys, or puts them again: before every third move, so that they are deleted in both groups, after they have
   * been in the other one.
   */
  async toggleKeys(move: number): Promise<void> {
    for (let key = move % 3; key < toggledKeys; key += 3) {
      await this.#writes.toggle(this.#kv, `toggled-${key}`);
    }
  }

  /** Rejects as soon as a writer has failed. */
  failed(): Promise<never> {
    return this.#writes.failed();
  }

  /** Resolves when every writer has gone on. */
  async progress(timeoutMs: number): Promise<void> {
    const before = this.writeCount;
    await until("the load goes on", timeoutMs, () => this.writeCount > before + 2 * writerCount);
  }

  /** Ends the writers, and checks that everything was carried out and told once. */
  async check(timeoutMs: number): Promise<void> {
    await this.#writes.end();
    const { written, values } = this.#writes;
    await until("all watches were told everything", timeoutMs, () =>
      this.#watches.every((watch) => watch.isComplete(written)),
    );
    for (const watch of this.#watches) watch.assertIs(written);
    for (const [key, value] of values) assert.equal((await this.#kv.get(key))?.text(), value, key);
  }

  async close(): Promise<void> {
    await this.#writes.end().catch(() => {});
    for (const kv of this.#clients) kv.close();
  }

  get #kv(): KvClient {
    return this.#clients[0] ?? assert.fail();
  }
}
