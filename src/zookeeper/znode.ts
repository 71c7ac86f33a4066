/**
 * Lifetime and naming of a new znode (CreateMode.java). `ephemeral` ones are deleted when their session ends.
 * `sequential` ones get a number of ten digits after their name, greater than that of all before under the same parent;
 * after 2147483647 it becomes negative. A `container` is deleted by the server some time after its last child. One
 * `with-ttl` is deleted some time after it has had no change and no children for `ttlMs`; servers need
 * `extendedTypesEnabled` for it.
 */
export type CreateMode = (typeof createModes)[number];

export const createModes = [
  "persistent",
  "persistent-sequential",
  "ephemeral",
  "ephemeral-sequential",
  "container",
  "persistent-with-ttl",
  "persistent-sequential-with-ttl",
] as const;

/** Whether the server appends a number to the name. */
export function isSequential(mode: CreateMode): boolean {
  return mode.includes("sequential");
}

/** What is known about a znode besides its data (Stat in zookeeper.jute). */
export interface Stat {
  /** Transaction that created the znode. No two znodes share it, even if they had the same path. */
  readonly czxid: bigint;
  /** Transaction that last changed the data. */
  readonly mzxid: bigint;
  /** When it was created and its data last changed, in milliseconds since 1970 on the clock of the leader. */
  readonly ctimeMs: number;
  readonly mtimeMs: number;
  /** Number of changes to the data. */
  readonly version: number;
  /** Number of changes to the set of children. */
  readonly cversion: number;
  /** Number of changes to the ACL. */
  readonly aversion: number;
  /**
   * Session that owns an ephemeral znode, as `ZooKeeper.sessionId`; 0 for all others. What servers keep here of containers
   * and TTLs they do not show.
   */
  readonly ephemeralOwner: bigint;
  /** Length of the data in bytes. */
  readonly dataLength: number;
  readonly numChildren: number;
  /** Transaction that last changed the set of children. */
  readonly pzxid: bigint;
}
