import process from "node:process";
import { runSeed } from "./run.ts";

/** Runs seeds from 1 to the given number until one fails, and writes what was found as JSON. */
const seedsMax = Number(process.argv[2]);
let found: { seed: number; violation: string } | undefined;
for (let seed = 1; seed <= seedsMax && found === undefined; seed++) {
  const { violation } = await runSeed(seed);
  if (violation !== undefined) found = { seed, violation };
}
process.stdout.write(`${JSON.stringify(found ?? {})}\n`);
