import { createReadStream } from "node:fs";
import { type FileHandle, stat } from "node:fs/promises";
import process from "node:process";
import type { Readable } from "node:stream";
import { ExitError } from "../settings/run-main.ts";
import { text, withDefault } from "../settings/setting.ts";
import { NOT_ALLOWED } from "./exit-codes.ts";

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

/** How messages name a file. */
export function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}

/** The bytes of a file from `start` on, or of standard input. Errors: ExitError (no file that can be read). */
export async function openInput(
  file: string,
  start = 0,
): Promise<{ source: Readable; bytes: number | undefined }> {
  if (file === "-") return { source: process.stdin, bytes: undefined };
  try {
    const { size } = await stat(file);
    return { source: createReadStream(file, { start, highWaterMark: 256 * 1024 }), bytes: size };
  } catch (error) {
    throw unusable(file, error);
  }
}

/** What comes until the signal is aborted. A read that is under way then is left alone: not every stream can end one. */
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
  const reason = error instanceof Error ? error.message : String(error);
  return new ExitError(NOT_ALLOWED, `${file} cannot be used (${reason})`, { cause: error });
}

/** The whole lines of a file: their length together, and the last of them, if there is one. */
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

/** Where the last line feed before `end` stands. */
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
