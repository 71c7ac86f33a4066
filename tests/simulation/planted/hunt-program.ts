import process from "node:process";
import { faultKinds } from "../faults/plan.ts";
import { runSeed } from "../run.ts";

/**
 * Runs seeds from 1 to the given number until one fails, and writes what was found as JSON. Further arguments are kinds
 * of faults to be frequent.
 */
const [, , seedsMax, ...focus] = process.argv;
const kinds = faultKinds.filter((kind) => focus.includes(kind));
let found: { seed: number; violation: string } | undefined;
for (let seed = 1; seed <= Number(seedsMax) && found === undefined; seed++) {
  const { violation } = await runSeed(seed, { focus: kinds });
  if (violation !== undefined) found = { seed, violation };
}
process.stdout.write(`${JSON.stringify(found ?? {})}\n`);
