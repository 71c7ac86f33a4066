import type { KeyChoice } from "../keys.ts";
import type { Load } from "../load.ts";

export const works = ["put", "get", "90-10", "delete", "batch", "scan"] as const;
/** `90-10`: nine gets to a put. `batch`: ten puts as one. `scan`: of 100 keys, with their values. */
export type Work = (typeof works)[number];

export const batchSize = 10;
export const scanSize = 100;

/** What the program is told, as one line of JSON. Each has an answer, a line too. */
export type Order = ({ readonly kind: "fill" } & FillOrder) | ({ readonly kind: "run" } & RunOrder);

/** Puts all keys of a set. */
export interface FillOrder {
  readonly set: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** Puts in one step; 1 if it is not given. */
  readonly stepPuts?: number;
  /** Whether nothing scans the keys: then they need not be known to scans. */
  readonly unordered?: boolean;
}

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
