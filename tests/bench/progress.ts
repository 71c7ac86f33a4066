import process from "node:process";

/** Tells a step: on a terminal, in one line that each step writes anew. */
export function progress(step: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${step}`);
}
