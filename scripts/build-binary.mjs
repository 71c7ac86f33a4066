// npm run build:binary: makes one executable of the command, the servers and Bun: build/kvlab, or the file that is named.
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { root } from "./packages.mjs";
import { runCommand } from "./run-command.mjs";

const target = resolve(process.argv[2] ?? join(root, "build", "kvlab"));
mkdirSync(dirname(target), { recursive: true });

// It reads files of its own for this, and the executable has none beside it.
const licenses = await run("bun", ["src/cli.ts", "licenses"]);

await run("bun", [
  "build",
  "src/cli.ts",
  "--compile",
  // In the executable, so that a stack trace names our files.
  "--sourcemap=inline",
  `--outfile=${target}`,
  `--define=KVLAB_LICENSES=${JSON.stringify(licenses)}`,
  // An addon for Node.js, which Bun cannot load.
  "--external=zookeeper",
  // Settings come from the environment, and none from files that happen to be in the folder.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
]);
// It is also written beside it.
rmSync(`${target}.map`, { force: true });

/** Runs a command, and ends with its output when it fails. */
async function run(command, args) {
  const { ok, output } = await runCommand(command, args);
  if (ok) return output;
  console.error(`${output}npm run build:binary: ${command} ${args[0]} has failed; see above.`);
  process.exit(1);
}
