import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { programEnvironment } from "../support/run-program.ts";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const programs = join(root, "node_modules", ".bin");

/**
 * What npm may take from our own packages, so that it needs no registry. kvlab's ranges must fit them, or npm would look
 * for others.
 */
const fromOurs = [
  "@bufbuild/protobuf",
  "@connectrpc/connect",
  "@connectrpc/connect-node",
  "@connectrpc/connect-web",
  "crc-32",
  // For those who compile a program with Node.js's types.
  "@types/node",
  "undici-types",
];

/** A fresh folder of a program that has installed kvlab. */
export interface InstalledPackage {
  readonly folder: string;
  /** Writes a file of the program. */
  write(name: string, text: string): void;
  /** Runs a command in the folder to its end; rejects when it fails. Of our own programs it finds those of `path`. */
  run(command: string, args: readonly string[], path?: string): Promise<{ stdout: string; stderr: string }>;
  remove(): void;
}

/** Builds the package, packs it and installs the tarball. */
export async function installPackage(): Promise<InstalledPackage> {
  const place = mkdtempSync(join(tmpdir(), "kvlab-package-"));
  const folder = join(place, "program");
  const remove = () => rmSync(place, { recursive: true, force: true });
  try {
    const built = join(place, "built");
    await runIn(root, process.execPath, ["scripts/build.mjs", built]);
    const { stdout } = await runIn(place, "npm", ["pack", "--silent", built]);
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), '{ "name": "program", "private": true, "type": "module" }\n');
    const ours = fromOurs.map((name) => join(root, "node_modules", name));
    await runIn(folder, "npm", [
      ...["install", "--offline", "--install-links", "--ignore-scripts", "--no-audit", "--no-fund"],
      join(place, stdout.trim()),
      ...ours,
    ]);
    return {
      folder,
      write: (name, text) => writeFileSync(join(folder, name), text),
      run: (command, args, path = programs) => runIn(folder, command, args, path),
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

function runIn(cwd: string, command: string, args: readonly string[], path = programs) {
  const env = programEnvironment();
  return promisify(execFile)(command, args, {
    cwd,
    env: { ...env, PATH: `${path}${delimiter}${env.PATH}`, NO_COLOR: "1" },
    timeout: 120_000,
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** The oldest Node.js that package.json allows. */
const oldestNodeVersion = "22.18.0";

/** The folder of its program. It is installed beside our packages when it is first needed. */
export async function oldestNode(): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const place = join(root, "node_modules", ".cache", `node-${oldestNodeVersion}`);
  const program = join(place, "node_modules", name, "bin", "node");
  if (!existsSync(program)) {
    const args = ["install", "--prefix", place, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    // With all of our environment: it may say how the registry is reached.
    await promisify(execFile)("npm", [...args, `${name}@${oldestNodeVersion}`], { timeout: 240_000 });
  }
  return dirname(program);
}
