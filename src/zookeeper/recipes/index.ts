/** Recipes on ZooKeeper: what several programs do together, safe over lost connections and answers. */
export { type Contender, type ContenderKind, contenders } from "./contenders.ts";
export type { Held } from "./held.ts";
export { type AcquireOptions, acquireLock, acquireReadLock, acquireWriteLock, tryLock } from "./lock.ts";
