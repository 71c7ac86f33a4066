import type { CallOptions } from "../options.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { childrenOf } from "./missing.ts";
import { readAll, type ZnodeRead } from "./read-all.ts";

/** What a contender for a lock wants: `write` any lock or write lock, `read` one that it shares with other readers. */
export type ContenderKind = "write" | "read";

/** The names of kazoo's contenders, which ours share: what comes before the number. */
export const contenderNames: Readonly<Record<ContenderKind, string>> = {
  write: "__lock__",
  read: "__rlock__",
};

/** One who has a lock or waits for it. */
export interface Contender {
  readonly path: string;
  readonly kind: ContenderKind;
  /** What it calls itself; empty when it does not. */
  readonly identifier: string;
  /** See `Held.fencingToken`. */
  readonly fencingToken: bigint;
}

/** A contender as its name shows it. */
export interface Queued {
  readonly name: string;
  readonly kind: ContenderKind;
  readonly sequence: number;
}

/**
 * A name may begin with anything, such as the GUID by which its maker finds it. Servers pad the number with zeros to ten
 * characters, of which the sign is one: -999999999 has nine digits.
 */
const PATTERN = /(__r?lock__)(\d{10}|-\d{9,10})$/;

/** The contenders among the children of a znode, in the order in which they came. */
export function queueOf(children: readonly string[]): Queued[] {
  const queue = children.flatMap((name): Queued[] => {
    const [, label, digits] = PATTERN.exec(name) ?? [];
    if (label === undefined) return [];
    return [{ name, kind: label === contenderNames.read ? "read" : "write", sequence: Number(digits) }];
  });
  return queue.sort((a, b) => compareSequences(a.sequence, b.sequence));
}

/**
 * Compares numbers that servers have given to sequential znodes. After 2147483647 comes -2147483648: of two numbers the
 * earlier one is less than half of all numbers away from the later one.
 */
export function compareSequences(a: number, b: number): number {
  return (a - b) | 0;
}

/** What is known of a contender once its znode was read. */
export function contenderOf({ kind }: Queued, { path, data, stat }: ZnodeRead): Contender {
  return { path, kind, identifier: Buffer.from(data).toString(), fencingToken: stat.czxid };
}

/** Those who have a lock or wait for it, in order, also those of kazoo. */
export async function lockContenders(
  client: ZooKeeper,
  path: string,
  options: CallOptions = {},
): Promise<Contender[]> {
  const queue = queueOf(await childrenOf(client, path, options));
  const byName = new Map(queue.map((queued) => [queued.name, queued]));
  const found = await readAll(client, path, [...byName.keys()], options);
  return found.flatMap((read) => {
    const queued = byName.get(read.name);
    return queued === undefined ? [] : [contenderOf(queued, read)];
  });
}
