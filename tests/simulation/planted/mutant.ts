import type { FaultKind } from "../faults/plan.ts";

/** A bug that somebody might make, which the simulation must find. */
export interface Mutant {
  readonly name: string;
  /** What is broken by it. */
  readonly promise: string;
  /** Seeds, from 1 on, within which it must be found. */
  readonly withinSeeds: number;
  /** Kinds of faults under which it shows; all of them if absent. */
  readonly focus?: readonly FaultKind[];
  /** What is replaced: file in src, a text that stands there once, and what comes in its place. */
  readonly edits: readonly (readonly [file: string, text: string, replacement: string])[];
}
