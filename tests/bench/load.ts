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
