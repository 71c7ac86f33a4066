import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { root } from "./packages.mjs";
import { runCommand } from "./run-command.mjs";
import { withTemporaryFolder } from "./temporary-folder.mjs";

/** Everything that is checked without running kvlab. Each counts as one test. */
export const checks = [
  { name: "types", run: () => runCommand("tsc", ["--noEmit"]) },
  { name: "lint", run: () => runCommand("biome", ["check", "--error-on-warnings", "."]) },
  { name: "schema lint", run: () => runCommand("buf", ["lint"]) },
  { name: "schema format", run: () => runCommand("buf", ["format", "-d", "--exit-code"]) },
  { name: "generated code", run: checkGenerated },
  { name: "reference", run: checkReference },
  { name: "unused code", run: () => runCommand("knip", ["--no-progress"]) },
  { name: "package", run: checkPackage },
];

/** Whether the package is fit to be published. */
function checkPackage() {
  return withTemporaryFolder("kvlab-package", (folder) =>
    runCommand("node", ["scripts/check-package.mjs"], { env: { TMPDIR: folder } }),
  );
}

/** Whether gen/ is what `buf generate` makes of proto/ now. */
function checkGenerated() {
  return checkMade(["buf", "generate", "--output"], (folder) =>
    differingFiles(join(root, "gen"), join(folder, "gen")),
  );
}

/** Whether the pages of the reference are what the comments say now. */
function checkReference() {
  return checkMade(["node", "scripts/reference.mjs"], (folder) => {
    const ours = filesBelow(join(root, "docs"));
    const made = [...filesBelow(folder)];
    return made.filter(([name, content]) => ours.get(name) !== content).map(([name]) => `docs/${name}`);
  });
}

/** Runs a command that makes files in the folder that it is given last. `differing` names those that are not ours. */
function checkMade([program, ...args], differing) {
  return withTemporaryFolder("kvlab-made", async (folder) => {
    const result = await runCommand(program, [...args, folder]);
    if (!result.ok) return result;
    const files = differing(folder);
    if (files.length === 0) return result;
    return {
      ...result,
      ok: false,
      output: `Run \`npm run generate\`; not up to date: ${files.join(", ")}\n`,
    };
  });
}

function differingFiles(folder, otherFolder) {
  const [files, otherFiles] = [folder, otherFolder].map(filesBelow);
  const names = new Set([...files.keys(), ...otherFiles.keys()]);
  return [...names].filter((name) => files.get(name) !== otherFiles.get(name));
}

/** Content of every file below a folder, by its path in it. */
function filesBelow(folder) {
  const paths = readdirSync(folder, { recursive: true }).map(String);
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return new Map(files.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}
