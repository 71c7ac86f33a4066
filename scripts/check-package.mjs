// npm run check:package: builds the package, packs it, and checks the tarball as those see it who install it.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.mjs";
import { withTemporaryFolder } from "./temporary-folder.mjs";

await withTemporaryFolder("kvlab-check", async (folder) => {
  const [built, packed] = ["built", "packed"].map((name) => join(folder, name));
  mkdirSync(packed);
  await run("node", ["scripts/build.mjs", built]);
  await run("npm", ["pack", "--silent", "--pack-destination", packed, built]);
  const tarball = join(packed, readdirSync(packed)[0] ?? "");
  await run("publint", ["run", "--strict", tarball]);
  // For ES modules only: a program in CommonJS takes them as they are, with `require` on Node.js 22.12 and later.
  await run("attw", ["--profile", "esm-only", "--format", "ascii", "--no-emoji", tarball]);
});

/** Runs a command, and ends with its output when it fails. */
async function run(command, args) {
  const { ok, output } = await runCommand(command, args);
  if (ok) return;
  console.error(`${command} ${args.join(" ")}\n${output}`);
  process.exitCode = 1;
  throw new Error(`npm run check:package: ${command} has found something; see above`);
}
