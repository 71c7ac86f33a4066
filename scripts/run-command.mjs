import { spawn } from "node:child_process";
import { root, searchPath } from "./packages.mjs";
import { onStopSignal } from "./signals.mjs";

// A test that prints without end must not fill the memory; what went wrong is mostly said last.
const KEPT_CHARACTERS = 100_000;

const running = new Set();

onStopSignal(() => {
  for (const child of running) killGroup(child);
  process.exit(1);
});

/**
 * Runs a command to its end, and ends with it everything that it has started. Resolves with how it ended:
 * `{ ok, output, seconds }`; a command that takes longer than `limitSeconds` is killed.
 */
export function runCommand(command, args, { limitSeconds = 120, env = {} } = {}) {
  return new Promise((resolve) => {
    const startedMs = Date.now();
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, PATH: searchPath, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // A process group of its own can be killed as a whole.
      detached: true,
    });
    running.add(child);
    let output = "";
    const keep = (chunk) => {
      output = (output + chunk).slice(-KEPT_CHARACTERS);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    const limit = setTimeout(() => {
      keep(`\n${command} was still running after ${limitSeconds} s and has been killed.\n`);
      killGroup(child);
    }, limitSeconds * 1000);

    const end = (ok) => {
      clearTimeout(limit);
      running.delete(child);
      resolve({ ok, output, seconds: (Date.now() - startedMs) / 1000 });
    };
    child.on("error", (error) => {
      keep(`${command} cannot be run: ${error.message}\n`);
      end(false);
    });
    // What it left running would also hold its output open, and "close" would never come.
    child.on("exit", () => killGroup(child));
    child.on("close", (code, signal) => {
      if (signal !== null) keep(`\n${command} was ended by ${signal}.\n`);
      end(code === 0);
    });
  });
}

function killGroup(child) {
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}
