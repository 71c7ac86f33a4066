import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Search path on which the programs of our packages come first. */
export const searchPath = `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH}`;

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));

/**
 * The locked packages that are absent from node_modules or there in another version. Packages that are locked for
 * some platforms only are not looked at; of those, only Bun is needed, see `bunProgram`.
 */
export function missingPackages({ development }) {
  return Object.entries(lock.packages).flatMap(([path, entry]) => {
    if (path === "" || entry.optional || (entry.dev && !development)) return [];
    return installedVersion(path) === entry.version ? [] : [path.replace(/^node_modules\//, "")];
  });
}

/** The Bun of our packages, or undefined when it is not there, not the locked version, or does not run. */
export function bunProgram() {
  const program = join(root, "node_modules", "bun", "bin", "bun.exe");
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return stdout?.trim() === lock.packages["node_modules/bun"].version ? program : undefined;
}

/** Installs the packages exactly as locked: all, or those that running needs. Says whether that went well. */
export function installPackages({ development }) {
  // Under `npm start` and `npm test` this names the npm that runs us; on Windows "npm" is not a program to spawn.
  const npm = process.env.npm_execpath ?? "";
  const [command, ...prefix] = npm.endsWith("npm-cli.js") ? [process.execPath, npm] : ["npm"];
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error", ...(development ? [] : ["--omit=dev"])];
  return spawnSync(command, [...prefix, ...args], { cwd: root, stdio: "inherit" }).status === 0;
}

/** Whether node_modules holds what only developing needs: then an install must not take that away. */
export function hasDevelopmentPackages() {
  return Object.entries(lock.packages).some(([path, entry]) => entry.dev && existsSync(join(root, path)));
}

function installedVersion(path) {
  try {
    return JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}
