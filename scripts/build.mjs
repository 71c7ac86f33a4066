// npm run build: makes the package that is published, in the folder dist or in the one that is named.
//
// A folder of its own, so that the sources keep a package.json whose entries are the sources: they run as they are, with
// nothing to build first, and nobody publishes them by accident. `npm pack ./dist` and `npm publish ./dist` take it.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { publishedManifest } from "./build/manifest.mjs";
import { root } from "./packages.mjs";
import { runCommand } from "./run-command.mjs";

/** What is in the package beside what is compiled. */
const COPIED = ["README.md", "LICENSE", "THIRD-PARTY-NOTICES.md", "docs", "examples", "proto"];

const target = resolve(process.argv[2] ?? join(root, "dist"));
if (!mayBeReplaced(target)) {
  console.error(
    `npm run build: ${target} is no folder of an earlier build, and is left as it is; name another one.`,
  );
  process.exit(2);
}
const draft = `${target}.draft`;
rmSync(draft, { recursive: true, force: true });
mkdirSync(draft, { recursive: true });

// No source maps: the JavaScript is the source without its types, with the same names and comments, line for line or
// nearly so. Maps would need the sources beside them, and double the package.
const compiled = await runCommand("tsc", ["-p", "tsconfig.build.json", "--outDir", draft]);
if (!compiled.ok) {
  console.error(`${compiled.output}npm run build: the sources cannot be compiled; see above.`);
  process.exit(1);
}
for (const path of readdirSync(draft, { recursive: true })) {
  if (path.endsWith(".d.ts")) nameJavaScript(join(draft, path));
}
for (const name of COPIED) cpSync(join(root, name), join(draft, name), { recursive: true });

const manifest = publishedManifest(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
writeFileSync(join(draft, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
for (const path of Object.values(manifest.bin)) chmodSync(join(draft, path), 0o755);
rmSync(target, { recursive: true, force: true });
renameSync(draft, target);

/** Whether nothing but an earlier build goes when this is removed. The sources, too, have a package.json, a private one. */
function mayBeReplaced(path) {
  if (!existsSync(path)) return true;
  try {
    if (readdirSync(path).length === 0) return true;
    const { name, private: isPrivate } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    return name === "kvlab" && !isPrivate;
  } catch {
    return false;
  }
}

/** In declarations the compiler leaves the names of TypeScript files, which are not in the package, as they are. */
function nameJavaScript(path) {
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/(\bfrom |\bimport\(|^import )"(\.{1,2}\/[^"]+)\.ts"/gm, '$1"$2.js"'));
}
