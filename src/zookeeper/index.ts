/** `kvlab/zookeeper`: a client of ZooKeeper 3.5 and later. */
export { type Acl, allPermissions, creatorAcl, digestId, openAcl, type Permission, readAcl } from "./acl.ts";
export { createProtected } from "./create-protected.ts";
export { ZooKeeperError, type ZooKeeperErrorCode } from "./errors.ts";
export type { MultiOperation, MultiResult } from "./operations/multi.ts";
export type { MultiRead, MultiReadResult } from "./operations/multi-read.ts";
export type { ChildrenAndStat, DataAndStat, Identity } from "./operations/reads.ts";
export type { Reconfiguration } from "./operations/reconfig.ts";
export type { Created } from "./operations/writes.ts";
export type {
  AddWatchOptions,
  Auth,
  CallOptions,
  CreateAllOptions,
  CreateOptions,
  ReadOptions,
  RemoveWatchesOptions,
  RetryPolicy,
  VersionOptions,
  ZooKeeperOptions,
} from "./options.ts";
export type { PersistentWatch } from "./persistent-watches.ts";
export * from "./recipes/index.ts";
export type { SessionState } from "./session-state.ts";
export type { WatchEvent, WatchListener, ZnodeEventType } from "./watch-event.ts";
export type { PersistentKind, RemovedWatches } from "./watches/session-watches.ts";
export type { SessionIdentity } from "./wire/session.ts";
export type { CreateMode, Stat } from "./znode.ts";
export { ZooKeeper } from "./zookeeper.ts";
