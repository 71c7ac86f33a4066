import process from "node:process";
import { faultKinds } from "../faults/plan.ts";
import { runSeed } from "../run.ts";
import { seedOrder } from "./seed-order.ts";

/**
 * Runs seeds from 1 to the given number until one fails, and writes what was found as JSON. The second argument is the
 * seed to run first, or 0; further ones are kinds of faults to be frequent.
 */
const [, , seedsMax, hint, ...focus] = process.argv;
const kinds = faultKinds.filter((kind) => focus.includes(kind));
let found: { seed: number; violation: string } | undefined;
for (const seed of seedOrder(Number(seedsMax), Number(hint))) {
  const { violation } = await runSeed(seed, { focus: kinds });
  if (violation === undefined) continue;
  found = { seed, violation };
  break;
}
process.stdout.write(`${JSON.stringify(found ?? {})}\n`);
