import type { Peer, ProgramName } from "./peers/peer.ts";
import type { Side } from "./side.ts";

/** Figures of a load that two sides are compared by; of times, less is better. */
export type Measure = "rate" | "p50" | "p99";

/** The same work for several sides. */
export interface Workload {
  /** What `--only` picks by. */
  readonly name: string;
  readonly compared: Measure;
  /** Pairs of names of sides: ours, and what it is compared with. */
  readonly ratios: readonly (readonly [string, string])[];
}

/** Workloads that need the same clusters. */
export interface Suite<W extends Workload = Workload> {
  readonly name: string;
  readonly needs: readonly ProgramName[];
  readonly workloads: readonly W[];
  /** Starts the clusters. */
  open(): Promise<OpenSuite<W>>;
}

export interface OpenSuite<W extends Workload = Workload> {
  readonly peers: readonly Peer[];
  sidesOf(workload: W): readonly Side[];
  close(): Promise<void>;
}
