// runtimes: bun
// alone: it keeps both cores busy with simulations.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Catch, hunt } from "./hunt.ts";
import { type Mutant, mutants } from "./mutants.ts";

/** Of one hunt: a mutant may hang. */
const limitMs = 120_000;

test("each planted bug is caught within the stated number of seeds", { timeout: 390_000 }, async () => {
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
  assert.ok(mutants.length >= 15);
});
