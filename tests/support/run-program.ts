import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

export interface Finished {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Variables besides those of `programEnvironment`. */
  readonly env?: Readonly<Record<string, string>>;
  /** All of its standard input; none if absent. */
  readonly stdin?: string | Uint8Array;
  /** How long it may take; then it is killed. 30 s by default. */
  readonly timeoutMs?: number;
}

/** Command line that runs a TypeScript file on the runtime of this test. */
export function commandFor(file: URL, args: readonly string[]): [string, string[]] {
  const runtimeArgs = "Deno" in globalThis ? ["run", "-A"] : [];
  return [process.execPath, [...runtimeArgs, fileURLToPath(file), ...args]];
}

/** What a program under test gets of our environment. The rest is kept away: it may have settings of kvlab. */
export function programEnvironment(): Record<string, string> {
  const { PATH = "", HOME = "", NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
}

/** Runs a TypeScript file as a process of its own, on the runtime of this test, to its end. */
export async function runProgram(
  file: URL,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const output = await runProgramRaw(file, args, options);
  return { ...output, stdout: output.stdout.toString("utf8") };
}

/** As runProgram, with standard output as bytes. */
export function runProgramRaw(
  file: URL,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Omit<Finished, "stdout"> & { readonly stdout: Buffer }> {
  const [command, commandArgs] = commandFor(file, args);
  const child = spawn(command, commandArgs, {
    env: { ...programEnvironment(), NO_COLOR: "1", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 30_000,
    killSignal: "SIGKILL",
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  // A program may end without having read its input.
  child.stdin.on("error", () => {});
  child.stdin.end(options.stdin);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) =>
      resolve({
        exitCode,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString("utf8"),
      }),
    );
  });
}
