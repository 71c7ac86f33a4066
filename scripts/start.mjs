// npm start: installs what running needs, once, and runs a cluster on Bun. Needs nothing but Node.js 18 and npm.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { bunProgram, hasDevelopmentPackages, installPackages, missingPackages, root } from "./packages.mjs";
import { onStopSignal } from "./signals.mjs";

const missing = missingPackages({ development: false });
if (missing.length > 0 || !bunProgram()) {
  const what = [...missing, ...(bunProgram() ? [] : ["bun"])].join(", ");
  console.log(`Installing what kvlab needs to run (${what}); this happens once.`);
  if (!installPackages({ development: hasDevelopmentPackages() })) {
    console.error("npm start: npm could not install the packages; see its message above.");
    process.exit(1);
  }
}

const bun = bunProgram();
if (!bun) {
  console.error(
    "npm start: the package bun does not run on this machine. " +
      "With Node.js 22.18 or later, `node src/dev.ts` runs the same cluster.",
  );
  process.exit(1);
}
run(bun, [join(root, "src", "dev.ts"), ...process.argv.slice(2)]);

/** Runs a program in our place: signals go on to it, and its end is ours. */
function run(program, args) {
  // In a process group of its own, it gets signals only from us, and each of them once.
  const child = spawn(program, args, { stdio: "inherit", detached: process.platform !== "win32" });
  const ignoreSignals = onStopSignal((signal) => child.kill(signal));
  child.on("error", (error) => {
    console.error(`npm start: ${program} cannot be run: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    ignoreSignals();
    process.kill(process.pid, signal);
  });
}
