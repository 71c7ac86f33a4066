import { Random } from "../world/random.ts";

/** What clients do with the store. */
export interface Uses {
  readonly keys: readonly string[];
  /** Keys that one batch may write: of one group. */
  readonly batchKeys: readonly string[];
  /** How often each kind of call is made, in proportion to the others. */
  readonly mix: Readonly<Record<CallKind, number>>;
  /** Part of the puts whose keys expire. */
  readonly expiring: number;
  /** Part of the batches that are named by the program, which sends them anew when their outcome is not known. */
  readonly named: number;
  /** Part of the named batches that only delete. */
  readonly deleting: number;
  /** Part of the clients that are programs of other people: they send each call to a router once, without a name. */
  readonly bare: number;
  /** Part of the answers with which a connection breaks. */
  readonly breaks: number;
  /** Requests that a log remembers. */
  readonly requestsMax: number;
  /** Whether those are so few that a request may be forgotten before it is repeated. */
  readonly forgets: boolean;
  readonly watchers: number;
}

export const callKinds = ["get", "put", "delete", "conditional", "batch", "scan"] as const;

export type CallKind = (typeof callKinds)[number];

const even = { get: 4, put: 3, delete: 1, conditional: 2, batch: 2, scan: 1 };

const mixes: readonly Uses["mix"][] = [
  { get: 4, put: 4, delete: 1, conditional: 0, batch: 0, scan: 0 },
  even,
  even,
  { get: 3, put: 1, delete: 1, conditional: 6, batch: 0, scan: 0 },
  { get: 2, put: 1, delete: 1, conditional: 1, batch: 5, scan: 3 },
];

/** Of a stream of its own, so that the uses of a seed change nothing about its cluster. */
export function usesOf(seed: number, groups: number, keyCount: number): Uses {
  const random = new Random(`${seed} uses`);
  const plain = Array.from({ length: Math.ceil(keyCount / 2) }, (_, index) => `k${index}`);
  const tagged = ["{t}a", "{t}b", "{t}c"].slice(0, random.pick([2, 3]));
  const keys = [...plain, ...tagged];
  const uses = {
    keys,
    batchKeys: groups > 1 ? tagged : keys,
    mix: random.pick(mixes),
    expiring: random.pick([0, 0, 0.1, 0.5]),
    named: random.pick([0, 0.3, 0.3, 1]),
    requestsMax: random.pick([100_000, 100_000, 20, 5]),
    watchers: random.pick([0, 1, 2, 3]),
    bare: random.pick([0, 0.3, 0.6]),
    breaks: random.pick([0, 0.02, 0.1]),
    deleting: random.pick([0, 0, 0, 0.3]),
  };
  return { ...uses, forgets: uses.requestsMax < 100_000 };
}
