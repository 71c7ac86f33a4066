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
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  const given = [...process.execArgv, process.env.NODE_OPTIONS ?? ""];
  for (const flag of flagsFor(given, young?.space_size ?? 0)) setFlagsFromString(flag);
}

/** The flags of V8, beside the options that Node.js was given, with a young generation of so many bytes. */
export function flagsFor(given: readonly string[], youngBytes: number): string[] {
  if (/semi-space|heap-growing/.test(given.join(" ").replaceAll("_", "-"))) return [];
  const old = "--heap-growing-percent=100";
  // A smaller one would have to be collected too often.
  return youngBytes < youngBytesMin ? [old] : [old, "--semi-space-growth-factor=1"];
}
