import process from "node:process";

/** Elsewhere than on a terminal, nothing is told more often. */
const everyMs = 30_000;

let toldMs = performance.now();

/** Tells a step: on a terminal in one line that each step writes anew, elsewhere now and then in a line of its own. */
export function progress(step: string): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\x1b[K${step}`);
  } else if (step !== "" && performance.now() - toldMs >= everyMs) {
    toldMs = performance.now();
    process.stderr.write(`${step}\n`);
  }
}
