// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed } from "../run.ts";
import { profileOf } from "../world/world.ts";
import { mistakeKinds, type PlannedFault, planOf } from "./plan.ts";

const seeds = [1, 2, 3];

/** The mistake, again and again, besides what else goes wrong. */
function planWith(kind: PlannedFault["kind"], seed: number): PlannedFault[] {
  const mistakes = Array.from({ length: 8 }, (_, index) => ({
    kind,
    role: "node" as const,
    when: { atMs: 2000 + 1000 * index },
    durationMs: 500,
    chance: `${seed} ${kind} ${index}`,
  }));
  return [...planOf(seed, profileOf(seed)), ...mistakes];
}

for (const kind of mistakeKinds) {
  test(`a mistake with logs is made, and the same way again: ${kind}`, { timeout: 120_000 }, async () => {
    let made = 0;
    for (const seed of seeds) {
      const plan = planWith(kind, seed);
      const { counts, digest } = await runSeed(seed, { plan });
      const before = made;
      made += counts.get(`fault ${kind}`) ?? 0;
      const isFirst = before === 0 && made > 0;
      if (isFirst) assert.equal((await runSeed(seed, { plan })).digest, digest);
    }
    assert.ok(made > 0);
  });
}
