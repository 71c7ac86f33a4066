import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { commandFor, programEnvironment, type RunOptions, runProgram } from "../support/run-program.ts";
import { until } from "../support/until.ts";

export const cli = new URL("../../src/cli.ts", import.meta.url);

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Runs `kvlab` on the runtime of this test, to its end. */
export function runKvlab(args: readonly string[], options: RunOptions = {}) {
  return runProgram(cli, args, options);
}

/** A `kvlab` that runs until it is ended. */
export interface RunningKvlab {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until it has written so. */
  says(what: string, looks: () => boolean): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export function startKvlab(args: readonly string[]): RunningKvlab {
  const [command, commandArgs] = commandFor(cli, args);
  const child = spawn(command, commandArgs, {
    env: { ...programEnvironment(), NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  running.add(child);
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text) => {
      written[name] += text;
    });
  }
  let isOver = false;
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once("close", (exitCode, signal) => {
      running.delete(child);
      isOver = true;
      resolve(exitCode ?? signal);
    });
  });
  return {
    child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    says: (what, looks) =>
      until(what, 30_000, () => {
        if (looks()) return true;
        if (isOver) throw new Error(`kvlab has ended before: ${what}\n${written.stdout}${written.stderr}`);
        return false;
      }).then(() => {}),
    signal(name) {
      // After `child.kill`, Deno takes the signal for what has ended the process, even if it was caught.
      if (child.pid !== undefined) process.kill(child.pid, name);
    },
    ended,
  };
}
