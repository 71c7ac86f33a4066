import type { KeyChoice } from "../keys.ts";
import type { Load } from "../load.ts";

export const works = ["put", "get", "90-10", "delete", "batch", "scan"] as const;
/** `90-10`: nine gets to a put. `batch`: ten puts as one. `scan`: of 100 keys, with their values. */
export type Work = (typeof works)[number];

export const batchSize = 10;
export const scanSize = 100;

/** What the program is told, as one line of JSON. Each has an answer, a line too. */
export type Order =
  /** Puts all keys of a set. */
  | { readonly kind: "fill"; readonly set: number; readonly keys: number; readonly valueBytes: number }
  | ({ readonly kind: "run" } & RunOrder);

export interface RunOrder {
  readonly work: Work;
  readonly set: number;
  /** There are so many in the set. */
  readonly keys: number;
  readonly valueBytes: number;
  readonly keyChoice: KeyChoice;
  /** Each makes one call after another. */
  readonly callers: number;
  readonly seconds: number;
}

export type Answer = { readonly load: Load } | { readonly filled: true } | { readonly error: string };
