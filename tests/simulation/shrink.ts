import { type PlannedFault, planOf } from "./faults/plan.ts";
import { type RunResult, runSeed } from "./run.ts";
import { profileOf } from "./world/world.ts";

/** Runs that are spent on making one story shorter. */
const runsMax = 120;

/** A failing seed with as few of its faults as still make it fail. */
export interface Shrunk {
  readonly plan: readonly PlannedFault[];
  readonly result: RunResult;
}

/**
 * Leaves out faults, in ever smaller parts of the plan, for as long as the run fails (A. Zeller, R. Hildebrandt,
 * "Simplifying and isolating failure-inducing input", 2002). Undefined when the seed does not fail.
 */
export async function shrink(seed: number): Promise<Shrunk | undefined> {
  let plan: readonly PlannedFault[] = planOf(seed, profileOf(seed));
  const { violation } = await runSeed(seed);
  if (violation === undefined) return undefined;
  const kind = kindOf(violation);
  let runs = 0;
  for (let size = plan.length; size >= 1 && runs < runsMax; size = Math.floor(size / 2)) {
    for (let from = plan.length - size; from > -size && runs < runsMax; from -= size) {
      const start = Math.max(0, from);
      const fewer = [...plan.slice(0, start), ...plan.slice(from + size)];
      if (fewer.length === plan.length) continue;
      runs++;
      if (kindOf((await runSeed(seed, { plan: fewer })).violation) === kind) plan = fewer;
    }
  }
  return { plan, result: await runSeed(seed, { plan, keepLines: true }) };
}

/** A violation without names and numbers: what is left out must not make room for another one. */
function kindOf(violation: string | undefined): string | undefined {
  return violation?.split("\n", 1)[0]?.replace(/"[^"]*"|\b\w*\d[\w.]*/g, "");
}
