import type { Round } from "./load.ts";
import type { ProgramName } from "./peers/peer.ts";

/** A pair of names of sides: ours, and what it is compared with. */
export type Pair = readonly [ours: string, theirs: string];

/** Figures of a load that two sides are compared by; of times, less is better. */
export type Measure = "rate" | "p50" | "p99";

/** The same work for several sides. */
export interface Workload {
  /** What `--only` picks by. */
  readonly name: string;
  readonly compared: Measure;
  readonly pairs: readonly Pair[];
}

/** Calls, as they went in each round. */
export interface LoadResult extends Workload {
  readonly kind: "load";
  /** By name, in the same order of rounds. */
  readonly sides: ReadonlyMap<string, readonly Round[]>;
}

/** One figure of each side in each round, of which less is better. */
export interface FigureResult {
  readonly kind: "figure";
  readonly name: string;
  readonly unit: string;
  readonly pairs: readonly Pair[];
  readonly sides: ReadonlyMap<string, readonly number[]>;
}

export interface FailedResult {
  readonly kind: "failed";
  readonly name: string;
  readonly why: string;
}

export type Result = LoadResult | FigureResult | FailedResult;

export interface MeasureOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Told before each step. */
  readonly progress: (step: string) => void;
  /** Told of each system that takes part. */
  readonly version: (name: string, version: string) => void;
}

/** Workloads that need the same clusters. */
export interface Suite {
  readonly name: string;
  readonly needs: readonly ProgramName[];
  /** Names of all workloads. */
  readonly names: readonly string[];
  /** Measures the workloads of these names. */
  run(names: readonly string[], options: MeasureOptions): AsyncIterable<Result>;
}
