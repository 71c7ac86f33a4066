/** Recipes: what several programs do together by ZooKeeper, safe over lost connections, answers and sessions. */
export { liftBarrier, passBarrier, raiseBarrier } from "./barrier.ts";
export type { CachedZnode, ZnodeChange } from "./cache/cached-tree.ts";
export { type CacheEvent, ZnodeCache, type ZnodeCacheOptions } from "./cache/znode-cache.ts";
export { type Contender, type ContenderKind, lockContenders } from "./contenders.ts";
export { Counter } from "./counter.ts";
export { type ChoiceStrategy, leastRecentlyFailed, randomChoice, roundRobin } from "./discovery/choice.ts";
export type { HealthCheck } from "./discovery/health-check.ts";
export type { ServiceRegistration } from "./discovery/registration.ts";
export type { ServiceInstance } from "./discovery/service-instance.ts";
export type { ServiceView } from "./discovery/service-view.ts";
export {
  type RegisterOptions,
  type Service,
  Services,
  type WatchServiceOptions,
} from "./discovery/services.ts";
export type { SessionSource } from "./discovery/sessions.ts";
export { type DoubleBarrierOptions, enterDoubleBarrier, type Inside } from "./double-barrier.ts";
export { campaign, currentLeader, watchLeader } from "./election.ts";
export type { Held } from "./held.ts";
export { type AcquireOptions, acquireLock, acquireReadLock, acquireWriteLock, tryLock } from "./lock.ts";
export { type GroupOptions, groupMembers, type JoinOptions, joinGroup, watchGroup } from "./membership.ts";
export { type PutOptions, Queue, type TakeOptions } from "./queue/queue.ts";
export type { QueueItem } from "./queue/queue-item.ts";
export { acquireLease, type SemaphoreOptions } from "./semaphore.ts";
export { TransactionCoordinator, type TransactionRequest } from "./two-phase-commit/coordinator.ts";
export { type TransactionHandlers, TransactionParticipant } from "./two-phase-commit/participant.ts";
export type { Decision, Outcome, Participation, Transaction } from "./two-phase-commit/transaction.ts";
