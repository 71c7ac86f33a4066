/** What a program does with a store, over its client library for TypeScript. All calls reject on a wrong answer. */
export interface Store {
  put(key: string, value: string): Promise<void>;
  /** The value; undefined when there is no such key. */
  get(key: string): Promise<string | undefined>;
  /** Whether there was such a key. */
  delete(key: string): Promise<boolean>;
  /** Writes all keys or none. */
  batch(pairs: readonly (readonly [key: string, value: string])[]): Promise<void>;
  /** Makes keys that were put known to scans, where that is not the same. */
  index(keys: readonly string[]): Promise<void>;
  /** How many keys it has found, with their values, from `start` on in the order of keys. */
  scan(start: string, limit: number): Promise<number>;
  close(): void;
}
