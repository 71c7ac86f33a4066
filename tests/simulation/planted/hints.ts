import { readFileSync, writeFileSync } from "node:fs";

const file = new URL("hints.json", import.meta.url);

/** The seeds that caught each planted bug last, by the names of the bugs. What changes the simulation makes them useless. */
export function readHints(): Readonly<Record<string, number>> {
  return JSON.parse(readFileSync(file, "utf8"));
}

export function writeHints(hints: Readonly<Record<string, number>>): void {
  writeFileSync(file, `${JSON.stringify(hints, undefined, 2)}\n`);
}
