import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter } from "node:path";
import process from "node:process";
import { programEnvironment } from "../support/run-program.ts";
import { until } from "../support/until.ts";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) kill(child, "SIGKILL");
});

/** A command that runs until it is ended, with all that it starts. */
export interface RunningCommand {
  /** Waits until it has written so. */
  says(text: string): Promise<void>;
  /** Ends it as an operator would. */
  end(): Promise<void>;
}

/** `path`: where its programs are looked for first. */
export function startCommand(
  command: string,
  args: readonly string[],
  cwd: string,
  path: string,
): RunningCommand {
  const env = programEnvironment();
  const child = spawn(command, args, {
    cwd,
    env: { ...env, PATH: `${path}${delimiter}${env.PATH}`, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    // npx starts a shell, and that the program: a process group gets signals as a whole.
    detached: true,
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  let isOver = false;
  const over = once(child, "close").then(() => {
    running.delete(child);
    isOver = true;
  });
  return {
    says: (text) =>
      until(`${command} says "${text}"`, 60_000, () => {
        if (output.includes(text)) return true;
        if (isOver) throw new Error(`${command} has ended before it said "${text}":\n${output}`);
        return false;
      }).then(() => {}),
    async end() {
      kill(child, "SIGTERM");
      await over;
    },
  };
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // All of the group has ended.
  }
}
