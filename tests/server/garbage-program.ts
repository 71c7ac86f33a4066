import process from "node:process";
import { getHeapSpaceStatistics } from "node:v8";
import { limitGarbage } from "../../src/server/limit-garbage.ts";

/** What is alive of the young generation: enough that V8 lets it grow. */
const alive: number[][] = [];

/**
 * Makes garbage, of which much is alive when V8 collects it, until the young generation has grown; or else very much. Returns
 * whether it has: V8 doubles it then. At times it has a page more for a moment, or less.
 */
function growsWithGarbage(before: number): boolean {
  for (let i = 0; i < 300_000; i++) {
    alive.push(new Array<number>(1000).fill(i));
    if (alive.length > 4000) alive.splice(0, 2000);
    if (i % 1000 === 0 && youngBytes() > 1.5 * before) return true;
  }
  return false;
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}

/** As modules do that are loaded. */
const modules: object[] = [];
while (youngBytes() < 32 * 1024 * 1024)
  modules.push({ name: `m${modules.length}`, imports: [modules.length] });
const before = youngBytes();
limitGarbage();
process.stdout.write(growsWithGarbage(before) ? "it has grown" : "it has not grown");
