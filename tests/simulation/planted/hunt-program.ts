import process from "node:process";
import { faultKinds } from "../faults/plan.ts";
import { runSeed } from "../run.ts";
import { seedOrder } from "./seed-order.ts";

/**
 * Runs seeds from 1 to the given number until one fails, and writes what was found as JSON. The second argument is the
 * seed to run first, or 0; the third says how many seeds to run at least, of which the failure with the fewest events is
 * told; further ones are kinds of faults to be frequent.
 */
const [, , seedsMax, hint, seedsMin, ...focus] = process.argv;
const kinds = faultKinds.filter((kind) => focus.includes(kind));
let found: { seed: number; violation: string; events: number } | undefined;
for (const [index, seed] of seedOrder(Number(seedsMax), Number(hint)).entries()) {
  if (found !== undefined && index >= Number(seedsMin)) break;
  const { violation, events } = await runSeed(seed, { focus: kinds });
  if (violation === undefined || (found !== undefined && found.events <= events)) continue;
  found = { seed, violation, events };
}
process.stdout.write(`${JSON.stringify(found ?? {})}\n`);
