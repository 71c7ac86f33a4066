import type { Workload } from "../workload.ts";
import { barrierWorkload } from "./barrier.ts";
import { cacheWorkload } from "./cache.ts";
import { counterWorkload } from "./counter.ts";
import { discoveryWorkload } from "./discovery.ts";
import { doubleBarrierWorkload } from "./double-barrier.ts";
import { electionWorkload } from "./election.ts";
import { groupWorkload } from "./group.ts";
import { lockWorkload } from "./lock.ts";
import { queueWorkload } from "./queue.ts";
import { readWriteLockWorkload } from "./read-write-lock.ts";
import { semaphoreWorkload } from "./semaphore.ts";
import { twoPhaseCommitWorkload } from "./two-phase-commit.ts";

/** The workload of each recipe. */
export const workloads: readonly Workload[] = [
  lockWorkload,
  readWriteLockWorkload,
  semaphoreWorkload,
  electionWorkload,
  groupWorkload,
  barrierWorkload,
  doubleBarrierWorkload,
  counterWorkload,
  queueWorkload,
  cacheWorkload,
  discoveryWorkload,
  twoPhaseCommitWorkload,
];
