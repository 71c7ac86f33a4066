import { writeSync } from "node:fs";
import process from "node:process";
import { inspect } from "node:util";
import { messageOf } from "../common/message-of.ts";
import { BROKE_OFF, NOT_ALLOWED, NOT_READ, OUTPUT_FAILED, UNFORESEEN } from "./exit-codes.ts";
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
 * Writes to standard output. Resolves when everything was handed to the system. Rejects with an ExitError when it
 * cannot be written, and with the system's error when the reader has gone. A program that ends without awaiting this
 * may lose output.
 */
export async function print(output: string | Uint8Array): Promise<void> {
  try {
    await write(process.stdout, output);
  } catch (error) {
    if (isNotRead(error)) throw error;
    const message = `what was asked is done, but standard output cannot be written (${messageOf(error)})`;
    throw new ExitError(OUTPUT_FAILED, message, { cause: error });
  }
}

/** As `print`, for a part of an output: when it cannot be written, the rest will be missing. */
export async function printPart(output: string | Uint8Array): Promise<void> {
  try {
    await write(process.stdout, output);
  } catch (error) {
    if (isNotRead(error)) throw error;
    throw new ExitError(BROKE_OFF, `standard output cannot be written (${messageOf(error)})`, {
      cause: error,
    });
  }
}

/** Whether the reader of the output has gone: `kvlab … | head` closes the pipe when it has enough. */
export function isNotRead(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}

/**
 * Runs the program of an entry point and ends the process when it is over, even if something is still open. The exit
 * code is what `main` resolves to; 2 after a SettingError; that of an ExitError; 141 when the reader of the output has
 * gone; 1 after any other error that `main` rejects with. The error is shown in one line, and its stack only when
 * KVLAB_DEBUG is set.
 *
 * An uncaught error anywhere in the process ends it with exit code 70 and the error's stack: what the error interrupted
 * may block everything else, and nobody would notice.
 */
export async function runMain(
  command: string,
  main: (input: SettingsInput) => Promise<number>,
): Promise<never> {
  // The caller of a write gets its error. A lost terminal or log file is no reason for a server to end.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    // The default differs between runtimes: Bun goes on after an unhandled rejection.
    process.on(event, (error: unknown) => endAtOnce(command, error));
  }
  let exitCode: number;
  try {
    exitCode = await main({ args: process.argv.slice(2), env: process.env });
  } catch (error) {
    exitCode = await report(command, error).catch(codeOf);
  }
  process.exit(exitCode);
}

/** Cleans up nothing and waits for nothing: the failure may be in whatever that needs. */
function endAtOnce(command: string, error: unknown): never {
  try {
    writeSync(2, `${command}: unexpected error: ${inspect(error)}\n`);
  } catch {
    // Nobody can be told.
  }
  process.exit(UNFORESEEN);
}

/** Prints why a program ends, and returns its exit code. */
async function report(command: string, error: unknown): Promise<number> {
  if (error instanceof HelpRequested) {
    await print(error.help);
    return 0;
  }
  if (isNotRead(error)) return NOT_READ;
  await write(process.stderr, `${command}: ${oneLine(error)}\n`);
  if (process.env.KVLAB_DEBUG && error instanceof Error) await write(process.stderr, `${inspect(error)}\n`);
  return codeOf(error);
}

function codeOf(error: unknown): number {
  if (isNotRead(error)) return NOT_READ;
  if (error instanceof SettingError) return NOT_ALLOWED;
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
