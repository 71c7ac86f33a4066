import { readFileSync } from "node:fs";

/**
 * The text of a file below /proc or /sys. Undefined when it cannot be read, as on other systems than Linux. The kernel
 * makes these files from memory, so reading them never waits for a disk, and takes less time than a turn through the
 * thread pool.
 */
export function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** The number after `name` in a file with a name and a number in each line. `KiB` and other words after it are ignored. */
export function numberIn(text: string | undefined, name: string): number | undefined {
  for (const line of text?.split("\n") ?? []) {
    const [key, value] = line.split(/:?\s+/, 2);
    if (key === name) return wholeNumber(value);
  }
  return undefined;
}

/** A number without sign or fraction. Undefined for all else, such as `max`. */
export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d{1,20}\s*$/.test(text) ? Number(text) : undefined;
}
