// runtimes: node
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { root } from "./installed-package.ts";

const place = mkdtempSync(join(tmpdir(), "kvlab-contents-"));
after(() => rmSync(place, { recursive: true, force: true }));
const built = join(place, "built");
await build(built);

function build(folder: string) {
  return promisify(execFile)(process.execPath, ["scripts/build.mjs", folder], { cwd: root });
}

interface Manifest {
  readonly exports: Record<string, string | Record<string, string>>;
  readonly imports: Record<string, Record<string, string>>;
  readonly bin: Record<string, string>;
  readonly sideEffects: readonly string[];
  readonly dependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}
const manifest: Manifest & Record<string, unknown> = JSON.parse(read("package.json"));
const modules = ["src", "gen"].flatMap((folder) =>
  readdirSync(join(built, folder), { recursive: true })
    .map((path) => join(folder, String(path)))
    .filter((path) => statSync(join(built, path)).isFile()),
);

function read(path: string): string {
  return readFileSync(join(built, path), "utf8");
}

/** What a module, or declarations, import and export from. */
function importsOf(path: string): string[] {
  const found = read(path).matchAll(
    /\bfrom "([^"]+)"(?: with \{[^}]*\})?;$|^import "([^"]+)";$|\bimport\("([^"]+)"\)/gm,
  );
  return [...found].flatMap((match) => match.slice(1)).filter((name) => name !== undefined);
}

test("the package has JavaScript and declarations of every source file, and no TypeScript", () => {
  const sources = ["src", "gen"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((path) => join(folder, String(path))),
  );
  const made = sources
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => [path.replace(/\.ts$/, ".js"), path.replace(/\.ts$/, ".d.ts")]);
  assert.deepEqual([...modules].sort(), made.sort());
});

test("every import within the package is of a file that is there", () => {
  const broken = modules.flatMap((path) => {
    const relative = importsOf(path).filter((name) => name.startsWith("."));
    return relative
      .filter((name) => !name.endsWith(".js") && !name.endsWith(".json"))
      .concat(relative.filter((name) => !existsSync(join(built, dirname(path), name))))
      .map((name) => `${path}: ${name}`);
  });
  assert.deepEqual(broken, []);
});

test("every package that it imports is among its dependencies, as pnpm and Yarn want it", () => {
  const declared = new Set([
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.peerDependencies),
    ...Object.keys(manifest.imports),
  ]);
  const packages = modules.flatMap(importsOf).filter((name) => !/^(\.|node:)/.test(name));
  const names = packages.map((name) => name.split("/", name.startsWith("@") ? 2 : 1).join("/"));
  assert.deepEqual(
    [...new Set(names)].filter((name) => !declared.has(name) && !builtinModules.includes(name)),
    [],
  );
});

test("every file that its package.json names is there, and types come first", () => {
  const entries = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === "string" ? [entry.replace("*", "")] : Object.values(entry),
  );
  const named = [
    ...entries,
    ...Object.values(manifest.imports).flatMap((target) => Object.values(target)),
    ...Object.values(manifest.bin),
  ];
  assert.deepEqual(
    named.filter((path) => !existsSync(join(built, path))),
    [],
  );
  assert.ok(
    manifest.sideEffects.every((path) => path.endsWith(".js")),
    String(manifest.sideEffects),
  );
  for (const entry of Object.values(manifest.exports)) {
    if (typeof entry !== "string") assert.equal(Object.keys(entry)[0], "types");
  }
});

test("its dependencies are ranges, so that none is installed twice, and nothing runs when it is installed", () => {
  assert.deepEqual(
    Object.values(manifest.dependencies).filter((range) => !range.startsWith("^")),
    [],
  );
  for (const absent of ["private", "scripts", "devDependencies", "optionalDependencies"]) {
    assert.equal(manifest[absent], undefined, absent);
  }
});

test("the command can be run, and begins with the line that says how", () => {
  const [path = ""] = Object.values(manifest.bin);
  assert.ok(read(path).startsWith("#!/usr/bin/env node\n"));
  assert.equal(statSync(join(built, path)).mode & 0o111, 0o111);
});

test("a build into a folder that holds anything but an earlier build is refused, and changes nothing", async () => {
  const checkout = join(place, "checkout");
  mkdirSync(checkout);
  writeFileSync(join(checkout, "package.json"), '{ "name": "kvlab", "private": true }');
  await assert.rejects(build(checkout), {
    code: 2,
    stderr: /^npm run build: .*checkout is no folder [^\n]*\n$/,
  });
  const file = join(checkout, "package.json");
  await assert.rejects(build(file), { code: 2 });
  assert.ok(existsSync(file));
});
