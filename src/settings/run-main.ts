import process from "node:process";
import { HelpRequested, SettingError, type SettingsInput } from "./read-settings.ts";

/** Ends a program with one line on standard error and an exit code of its own. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/**
 * Runs the program of an entry point and ends the process when it is over, also if something is still open.
 * The exit code is what `main` resolves to; 2 after a SettingError; that of an ExitError; 1 after any
 * other error. An error is told in one line; its stack is shown only when KVLAB_DEBUG is set.
 */
export async function runMain(
  command: string,
  main: (input: SettingsInput) => Promise<number>,
): Promise<never> {
  endQuietlyWhenNobodyReads();
  let exitCode: number;
  try {
    exitCode = await main({ args: process.argv.slice(2), env: process.env });
  } catch (error) {
    exitCode = report(command, error);
  }
  // Output to a pipe may still be on its way, and process.exit would drop it.
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(exitCode);
}

function report(command: string, error: unknown): number {
  if (error instanceof HelpRequested) {
    process.stdout.write(error.help);
    return 0;
  }
  process.stderr.write(`${command}: ${oneLine(error)}\n`);
  if (process.env.KVLAB_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (error instanceof SettingError) return 2;
  return error instanceof ExitError ? error.exitCode : 1;
}

function oneLine(error: unknown): string {
  const message = error instanceof Error && error.message !== "" ? error.message : String(error);
  return message.replace(/\s*\n\s*/g, " ");
}

/** `kvlab … | head` closes our output early: then there is nobody to write for, and nothing has gone wrong. */
function endQuietlyWhenNobodyReads(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      process.stderr.write(`output cannot be written: ${error.message}\n`);
      process.exit(1);
    });
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}
