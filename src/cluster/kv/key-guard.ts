/** What a call wants of a key. */
export type KeyUse = "read" | "write";

/** Says whether this group has a key now: the ring, and with it the keys of a group, may change while it serves. */
export interface KeyGuard {
  /**
   * Undefined when this group serves all of the keys in this turn. While one of them changes hands, resolves when to ask
   * again. Errors: wrong-node, unavailable, invalid (they belong to several groups).
   */
  check(keys: Iterable<string>, use: KeyUse): Promise<void> | undefined;
  /** Whether this group has no keys in the ring, and is to get none. */
  readonly hasLeft: boolean;
  /** Whether writes of the key are taken in this turn: those that no client has asked for wait otherwise. */
  takesWrites(key: string): boolean;
  /**
   * The keys that this group serves in this turn. While some are given up but not taken over, resolves when to ask again.
   * Errors: unavailable.
   */
  served(): ServedKeys | Promise<void>;
}

/** The keys of a group at one moment. Groups with the same version of the ring have each key once. */
export interface ServedKeys {
  readonly ringVersion: number;
  has(key: string): boolean;
}
