import assert from "node:assert/strict";
import { readHints } from "./hints.ts";
import { type Catch, hunt } from "./hunt.ts";
import type { Mutant } from "./mutant.ts";

/** A mutant, and what the simulation has made of it. */
interface Hunted extends Catch {
  readonly mutant: Mutant;
}

export interface HuntAllOptions {
  /** Of one hunt: a mutant may hang. Default 120,000. */
  readonly limitMs?: number;
  /** See `HuntOptions.seedsMin`. Default 1: the first failure is as good as any. */
  readonly seedsMin?: number;
  readonly onCatch?: (hunted: Hunted) => void;
}

/** Hunts one mutant after another: a hunt keeps a core busy. */
export async function huntEach(mutants: Iterable<Mutant>, options: HuntAllOptions = {}): Promise<Hunted[]> {
  const { limitMs = 120_000, seedsMin = 1, onCatch } = options;
  const hints = readHints();
  const hunted: Hunted[] = [];
  for (const mutant of mutants) {
    const each = { mutant, ...(await hunt(mutant, { limitMs, seedsMin, hint: hints[mutant.name] })) };
    hunted.push(each);
    onCatch?.(each);
  }
  return hunted;
}

/** Fails with those of the mutants that were not caught. */
export async function huntAll(mutants: readonly Mutant[]): Promise<void> {
  const caught = await huntEach(mutants);
  const lines = caught.map(({ mutant, seed }) => {
    const within = `${mutant.withinSeeds}`.padStart(4);
    return `${String(seed ?? "none").padStart(5)} of ${within}  ${mutant.name} (${mutant.promise})`;
  });
  console.log(["Seed that catches each planted bug:", ...lines].join("\n"));
  const missed = caught.filter(({ seed }) => seed === undefined).map(({ mutant }) => mutant.name);
  assert.deepEqual(missed, []);
}
