import { constants, createReadStream } from "node:fs";
import { type FileHandle, lstat, open, realpath, stat } from "node:fs/promises";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../common/message-of.ts";
import { NOT_ALLOWED } from "../../settings/exit-codes.ts";
import { ExitError } from "../../settings/run-main.ts";
import { text, withDefault } from "../../settings/setting.ts";

/** A file, or `-` for the standard stream. */
export function fileOperand(meaning: string) {
  const file = text({
    meaning,
    placeholder: "FILE",
    source: "operand",
    allowed: "a path",
    completes: "files",
  });
  return withDefault(file, "-");
}

/** The name of a file in messages. */
export function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}

/**
 * Whether a file can be read again from any position. Standard input, a FIFO, a terminal or the like can be read only
 * once. Errors: ExitError (there is no such file, or it is a folder).
 */
export async function isStored(file: string): Promise<boolean> {
  if (file === "-") return false;
  const found = await stat(file).catch((error) => {
    throw unusable(file, error);
  });
  if (found.isDirectory()) throw isFolder(file);
  return found.isFile();
}

export function isFolder(file: string): ExitError {
  return new ExitError(NOT_ALLOWED, `${file} is a folder; allowed: a file`);
}

/** The bytes of a file from `start` on, or of a stream. Errors: ExitError (the file cannot be read). */
export async function openInput(
  file: string,
  start = 0,
): Promise<{ source: AsyncIterable<Uint8Array>; bytes: number | undefined }> {
  if (file === "-") return { source: process.stdin, bytes: undefined };
  if (!(await isStored(file))) return { source: readStream(file), bytes: undefined };
  try {
    const handle = await open(file, "r");
    const { size } = await handle.stat().finally(() => handle.close());
    return { source: createReadStream(file, { start, highWaterMark: 256 * 1024 }), bytes: size };
  } catch (error) {
    throw unusable(file, error);
  }
}

/** Time between two looks at a stream that has sent nothing. */
const pollMs = { first: 1, longest: 50 };

/**
 * Reads a FIFO or the like. It polls: a blocking read holds a thread, for which some runtimes wait before they end,
 * even after SIGTERM. A FIFO without a writer is waited for.
 */
async function* readStream(file: string): AsyncGenerator<Uint8Array> {
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error) => {
    throw unusable(file, error);
  });
  // Other kinds of streams have a writer from the start, and end when it closes them.
  let hasBegun = !(await isNamedFifo(file));
  let pause = pollMs.first;
  try {
    for (;;) {
      const piece = Buffer.alloc(64 * 1024);
      const bytesRead = await handle.read(piece, 0, piece.length, null).then(
        (result) => result.bytesRead,
        (error) => {
          if (error.code !== "EAGAIN") throw unusable(file, error);
          return undefined;
        },
      );
      if (bytesRead === 0 && hasBegun) return;
      if (bytesRead) {
        hasBegun = true;
        pause = pollMs.first;
        yield piece.subarray(0, bytesRead);
        continue;
      }
      await sleep(pause);
      pause = Math.min(2 * pause, pollMs.longest);
    }
  } finally {
    await handle.close();
  }
}

async function isNamedFifo(file: string): Promise<boolean> {
  // /dev/stdin and /dev/fd/63 link to a pipe without a name, which has no real path.
  const path = await realpath(file).catch(() => undefined);
  return path !== undefined && (await lstat(path).catch(() => undefined))?.isFIFO() === true;
}

/**
 * The chunks until the signal is aborted. A read that is under way then is abandoned: not every stream can cancel one.
 */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const items = source[Symbol.asyncIterator]();
  while (!signal.aborted) {
    const item = await new Promise<IteratorResult<T> | undefined>((resolve, reject) => {
      const stop = () => resolve(undefined);
      signal.addEventListener("abort", stop, { once: true });
      items
        .next()
        .finally(() => signal.removeEventListener("abort", stop))
        .then(resolve, reject);
    });
    if (item === undefined || item.done) return;
    yield item.value;
  }
}

export function unusable(file: string, error: unknown): ExitError {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") {
    return new ExitError(NOT_ALLOWED, `${file}: there is no such file or folder`, { cause: error });
  }
  return new ExitError(NOT_ALLOWED, `${file} cannot be used (${messageOf(error)})`, { cause: error });
}

/** The complete lines of a file: their total length, and the last of them, if there is one. */
export async function wholeLines(
  handle: FileHandle,
): Promise<{ size: number; lastLine: Uint8Array | undefined }> {
  const { size: bytes } = await handle.stat();
  const end = await lastLineFeedBefore(handle, bytes);
  if (end === undefined) return { size: 0, lastLine: undefined };
  const start = ((await lastLineFeedBefore(handle, end)) ?? -1) + 1;
  const lastLine = Buffer.alloc(end - start);
  await readFully(handle, lastLine, start);
  return { size: end + 1, lastLine };
}

/** The position of the last line feed before `end`. */
async function lastLineFeedBefore(handle: FileHandle, end: number): Promise<number | undefined> {
  for (let rest = end; rest > 0; ) {
    const start = Math.max(0, rest - 64 * 1024);
    const piece = Buffer.alloc(rest - start);
    await readFully(handle, piece, start);
    const found = piece.lastIndexOf(10);
    if (found >= 0) return start + found;
    rest = start;
  }
  return undefined;
}

async function readFully(handle: FileHandle, into: Buffer, start: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, start + done);
    if (bytesRead === 0) throw new Error("the file has become shorter while it was read");
    done += bytesRead;
  }
}
