import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpuSecondsOfEnded } from "../peers/process-stats.ts";

/** Runs a program to its end, and says what it wrote and what CPU time it took. One at a time. */
export async function runTool(
  command: string,
  args: readonly string[],
  stdin = "",
): Promise<{ stdout: string; cpuSeconds: number }> {
  const before = cpuSecondsOfEnded();
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  // A program may end without having read its input.
  child.stdin.on("error", () => {});
  child.stdin.end(stdin);
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const [code] = await once(child, "close");
  if (code !== 0) {
    const said = Buffer.concat([...stdout, ...stderr])
      .toString()
      .slice(-2000);
    throw new Error(`${command} has ended with exit code ${code}:\n${said}`);
  }
  return { stdout: Buffer.concat(stdout).toString(), cpuSeconds: cpuSecondsOfEnded() - before };
}
