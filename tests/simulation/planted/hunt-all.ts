import assert from "node:assert/strict";
import { type Catch, hunt } from "./hunt.ts";
import type { Mutant } from "./mutant.ts";

/** Of one hunt: a mutant may hang. */
const limitMs = 120_000;

/** Hunts two mutants at a time. Fails with those that were not caught. */
export async function huntAll(mutants: readonly Mutant[]): Promise<void> {
  const queue = mutants.entries();
  const caught: (Catch & { readonly mutant: Mutant })[] = [];
  const work = async () => {
    for (const [index, mutant] of queue) caught[index] = { mutant, ...(await hunt(mutant, limitMs)) };
  };
  await Promise.all([work(), work()]);
  const lines = caught.map(({ mutant, seed }) => {
    const within = `${mutant.withinSeeds}`.padStart(4);
    return `${String(seed ?? "none").padStart(5)} of ${within}  ${mutant.name} (${mutant.promise})`;
  });
  console.log(["Seed that catches each planted bug:", ...lines].join("\n"));
  const missed = caught.filter(({ seed }) => seed === undefined).map(({ mutant }) => mutant.name);
  assert.deepEqual(missed, []);
}
