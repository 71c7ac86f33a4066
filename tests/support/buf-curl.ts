import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import process from "node:process";

/** The program itself: what npm puts into node_modules/.bin needs the `node` of the machine. */
export const bufProgram = createRequire(import.meta.url).resolve(
  `@bufbuild/buf-${process.platform}-${process.arch}/bin/buf`,
);

/** Runs `buf curl` and returns its standard output; rejects with its standard error. */
export function bufCurl(...args: string[]): Promise<string> {
  const child = spawn(bufProgram, ["curl", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { HOME: process.env.HOME ?? "/tmp", PATH: process.env.PATH ?? "" },
    timeout: 30_000,
    killSignal: "SIGKILL",
  });
  let output = "";
  let complaint = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString("utf8");
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => (exitCode === 0 ? resolve(output) : reject(new Error(complaint))));
  });
}
