import type { LatencySummary } from "./latencies.ts";

/** What one tool has seen of one system in one round. */
export interface Load {
  /** Calls that were answered with success. */
  readonly operations: number;
  readonly seconds: number;
  /** Calls that were not. What fails is often fast: a load with failures has no rate worth a word. */
  readonly failures: number;
  /** What went wrong with one of them, if the tool can tell. */
  readonly failure?: string;
  readonly latencies: LatencySummary;
  /** CPU time of the program that made the calls. */
  readonly clientCpuSeconds: number;
}

/** One side in one round. */
export interface Round extends Load {
  /** CPU time of each process of the side while it was measured, and its memory (VmRSS) afterwards. */
  readonly processes: readonly {
    readonly role: string;
    readonly cpuSeconds: number;
    readonly memoryBytes: number;
  }[];
  /** Cores that were busy with what has nothing to do with it. */
  readonly otherCores: number;
  /** Somebody else led afterwards: what the round says is of a failover, too. */
  readonly leaderChanged: boolean;
}
