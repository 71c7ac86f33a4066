import { writeSync } from "node:fs";
import process from "node:process";
import { inspect } from "node:util";
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
 * Writes to standard output; resolves when everything has been handed on, and rejects when that cannot be done.
 * A program that ends without having waited for this may lose output.
 */
export function print(output: string | Uint8Array): Promise<void> {
  return write(process.stdout, output);
}

/** The exit code after an error that nothing has caught: a fault of the program (EX_SOFTWARE of sysexits.h). */
const unexpectedErrorCode = 70;

/**
 * Runs the program of an entry point and ends the process when it is over, also if something is still open.
 * The exit code is what `main` resolves to; 2 after a SettingError; that of an ExitError; 1 after any other error that
 * `main` rejects with. Such an error is told in one line; its stack is shown only when KVLAB_DEBUG is set.
 *
 * An error that nothing has caught, wherever in the process, ends it with 70 and its stack: what it broke off may hold
 * up everything else, and nobody would know.
 */
export async function runMain(
  command: string,
  main: (input: SettingsInput) => Promise<number>,
): Promise<never> {
  // Whoever waits for a write is told by it; a lost terminal or log is no reason for a server to end.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    // The runtimes do not agree on what becomes of these by themselves: Bun goes on after a rejection.
    process.on(event, (error: unknown) => endAtOnce(command, error));
  }
  let exitCode: number;
  try {
    exitCode = await main({ args: process.argv.slice(2), env: process.env });
  } catch (error) {
    exitCode = await report(command, error).catch(() => 1);
  }
  process.exit(exitCode);
}

/** Nothing is cleaned up, and nothing waited for: whatever that needs may be what has failed. */
function endAtOnce(command: string, error: unknown): never {
  try {
    writeSync(2, `${command}: unexpected error: ${inspect(error)}\n`);
  } catch {
    // There is nobody to tell.
  }
  process.exit(unexpectedErrorCode);
}

/** Tells why a program ends, and returns its exit code. */
async function report(command: string, error: unknown): Promise<number> {
  if (error instanceof HelpRequested) {
    await print(error.help);
    return 0;
  }
  // `kvlab … | head` closes our output early: there is nobody to write for, and nothing has gone wrong.
  if (error instanceof Error && "code" in error && error.code === "EPIPE") return 0;
  await write(process.stderr, `${command}: ${oneLine(error)}\n`);
  if (process.env.KVLAB_DEBUG && error instanceof Error) await write(process.stderr, `${error.stack}\n`);
  if (error instanceof SettingError) return 2;
  return error instanceof ExitError ? error.exitCode : 1;
}

function oneLine(error: unknown): string {
  const message = error instanceof Error && error.message !== "" ? error.message : String(error);
  return message.replace(/\s*\n\s*/g, " ");
}

function write(stream: NodeJS.WriteStream, output: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(output, (error) => (error ? reject(error) : resolve()));
  });
}
