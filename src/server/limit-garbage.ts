import process from "node:process";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Two halves of 8 MiB: with less, every call would cost more. Loading the modules of a server brings it to here or beyond. */
const youngBytesMin = 16 * 1024 * 1024;

/**
 * Keeps the garbage of a server on Node.js from taking twice the memory of all else. By itself V8 lets the young
 * generation grow to 96 MiB, and collects the old one when it has up to four times what was alive. With 32 MiB, and twice,
 * no measured call costs more (docs/performance.md). What an operator has set with options of Node.js stays. To be called
 * when all modules are loaded, since the young generation stays as large as it is then.
 */
export function limitGarbage(): void {
  if (process.versions.bun !== undefined || process.versions.deno !== undefined) return;
  const given = [...process.execArgv, process.env.NODE_OPTIONS].join(" ").replaceAll("_", "-");
  if (/semi-space|heap-growing/.test(given)) return;
  setFlagsFromString("--heap-growing-percent=100");
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  if (young !== undefined && young.space_size >= youngBytesMin)
    setFlagsFromString("--semi-space-growth-factor=1");
}
