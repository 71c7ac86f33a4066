import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { delimiter } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { until } from "../support/until.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** How to end each one that runs. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const end of running) end();
});

/** An example in a process of its own. */
export interface ExampleProcess {
  /** Waits until it has written what fits; resolves with the match. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** All that it has written. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** Writes a line to its standard input, or ends that. */
  type(line?: string): void;
  /** Waits for its end: its exit code. */
  exited(): Promise<number | null>;
  /** Ends it, if it still runs. */
  kill(): Promise<void>;
}

/**
 * Runs an example as its first comment says: by the `index`-th of the commands there that name it (those that name the
 * page beside it, for a script of a page), without `npx`, which would only look for the same programs.
 */
export function startExample(file: string, env: Record<string, string>, index = 0): ExampleProcess {
  const commands = commandsOf(file);
  const command = commands[index];
  if (command === undefined) throw new Error(`${file} has ${commands.length} commands in its first comment`);
  const child = spawn("/bin/sh", ["-c", `exec ${command}`], {
    cwd: root,
    env: {
      PATH: `${root}node_modules/.bin${delimiter}${process.env.PATH}`,
      HOME: process.env.HOME,
      NO_COLOR: "1",
      ...env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  // Deno takes a child that was sent a signal, be it SIGSTOP, for ended, and signals it no more.
  const signal = (name: NodeJS.Signals) => {
    if (running.has(end) && child.pid !== undefined) process.kill(child.pid, name);
  };
  const end = () => signal("SIGKILL");
  running.add(end);
  child.once("exit", () => running.delete(end));
  let isOver = false;
  const ended = once(child, "close").then(([code]: (number | null)[]) => {
    isOver = true;
    return code ?? null;
  });
  return {
    says: (pattern) =>
      until(`${command} says ${pattern}`, 30_000, () => {
        const found = pattern.exec(output);
        if (found === null && isOver)
          throw new Error(`${command} has ended and not said ${pattern}:\n${output}`);
        return found ?? undefined;
      }),
    output: () => output,
    signal,
    type(line) {
      if (line === undefined) child.stdin.end();
      else child.stdin.write(`${line}\n`);
    },
    exited: () => ended,
    async kill() {
      end();
      await ended;
    },
  };
}

function commandsOf(file: string): string[] {
  const [comment] = readFileSync(`${root}${file}`, "utf8").split(/^(?!\/\/)/m, 1);
  const named = file.replace(/\/[^/]+\.ts$/, "/index.html");
  return (comment ?? "")
    .split("\n")
    .filter((line) => line.startsWith("//   ") && (line.includes(file) || line.includes(named)))
    .map((line) =>
      line
        .slice(5)
        .replace(/ {2,}\(.*\)$/, "")
        .replace(/^npx /, ""),
    );
}
