import { writeSync } from "node:fs";
import process from "node:process";
import { inspect } from "node:util";
import { NOT_ALLOWED, NOT_READ, OUTPUT_FAILED, UNFORESEEN } from "./exit-codes.ts";
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
 * Writes to standard output; resolves when everything has been handed on, and rejects when that cannot be done: with
 * an ExitError, or with the system's error when nobody reads it any more.
 * A program that ends without having waited for this may lose output.
 */
export async function print(output: string | Uint8Array): Promise<void> {
  try {
    await write(process.stdout, output);
  } catch (error) {
    if (isNotRead(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const message = `what was asked is done, but standard output cannot be written (${reason})`;
    throw new ExitError(OUTPUT_FAILED, message, { cause: error });
  }
}

/** Whether whoever was to read what we write has gone: `kvlab … | head` does so when it has enough. */
export function isNotRead(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}

/**
 * Runs the program of an entry point and ends the process when it is over, also if something is still open.
 * The exit code is what `main` resolves to; 2 after a SettingError; that of an ExitError; 141 when nobody reads what is
 * printed; 1 after any other error that `main` rejects with. Such an error is told in one line; its stack is shown only when KVLAB_DEBUG is set.
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
    exitCode = await report(command, error).catch(codeOf);
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
  process.exit(UNFORESEEN);
}

/** Tells why a program ends, and returns its exit code. */
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
