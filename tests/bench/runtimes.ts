import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const runtimes = ["bun", "node"] as const;
export type Runtime = (typeof runtimes)[number];

/** The program of a runtime, from the npm package of that name. */
export function programOf(runtime: Runtime): string {
  return fileURLToPath(new URL(`../../node_modules/.bin/${runtime}`, import.meta.url));
}

export function versionOf(runtime: Runtime): string {
  const version = execFileSync(programOf(runtime), ["--version"], { encoding: "utf8" }).trim();
  return `${runtime === "bun" ? "Bun" : "Node.js"} ${version.replace(/^v/, "")}`;
}
