import process from "node:process";
import { runSeed } from "./run.ts";

/** Writes the digests of some seeds as JSON. */
const digests: string[] = [];
for (const seed of process.argv.slice(2)) digests.push((await runSeed(Number(seed))).digest);
process.stdout.write(`${JSON.stringify(digests)}\n`);
