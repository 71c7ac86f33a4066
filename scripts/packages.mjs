import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
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
  if (!development) return npm(["ci", "--omit=dev"]) && installBun();
  // The addon is left to `buildAddon`: it must be built for a Node.js that is among the packages itself.
  return npm(["ci", "--ignore-scripts"]) && npm(["rebuild", "@bufbuild/buf", "bun", "deno", "node"]);
}

/**
 * Adds the locked Bun to the packages that running needs. It is no dependency of kvlab, which runs on Node.js and Deno as
 * well: whoever installs the package chooses.
 */
function installBun() {
  const { version } = lock.packages["node_modules/bun"];
  return npm(["install", "--no-save", "--save-prod", "--omit=dev", `bun@${version}`]);
}

/** Builds the ZooKeeper addon for the Node.js of our packages, unless it loads there already. Says whether it loads. */
export function buildAddon() {
  if (addonLoads()) return true;
  const headers = nodeHeaders();
  return npm(["rebuild", "zookeeper"], headers && { npm_config_nodedir: headers }) && addonLoads();
}

function addonLoads() {
  const node = join(root, "node_modules", ".bin", "node");
  return spawnSync(node, ["--eval", 'require("zookeeper")'], { cwd: root }).status === 0;
}

/** The folder with the C++ headers of the Node.js of our packages; if there is none, node-gyp fetches them. */
function nodeHeaders() {
  const packages = join(root, "node_modules", "node", "node_modules");
  if (!existsSync(packages)) return undefined;
  const folders = readdirSync(packages).map((name) => join(packages, name));
  return folders.find((folder) => existsSync(join(folder, "include", "node", "node.h")));
}

/** Runs npm in our folder; says whether it succeeded. */
function npm(args, env = {}) {
  // Under `npm start` and `npm test` this names the npm that runs us; on Windows "npm" is not a program to spawn.
  const script = process.env.npm_execpath ?? "";
  const [command, ...prefix] = script.endsWith("npm-cli.js") ? [process.execPath, script] : ["npm"];
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync(command, [...prefix, ...args, ...quiet], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  return status === 0;
}

/** Whether node_modules holds what only developing needs: then an install must not take that away. */
export function hasDevelopmentPackages() {
  return Object.entries(lock.packages).some(([path, entry]) => {
    return entry.dev && !isOfBun(path) && existsSync(join(root, path));
  });
}

/** Whether a package is what `installBun` adds. */
function isOfBun(path) {
  return path === "node_modules/bun" || path.startsWith("node_modules/@oven/");
}

function installedVersion(path) {
  try {
    return JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}
