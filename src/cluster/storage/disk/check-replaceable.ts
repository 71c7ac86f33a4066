import { LogFileError } from "../errors.ts";
import type { Disk } from "./disk.ts";

/**
 * Errors: LogFileError, when what is at `path` is no regular file, or one with several names: a rewritten log would take the
 * place of one of them, and the other would stay as it is.
 */
export async function checkReplaceable(disk: Disk, path: string): Promise<void> {
  const entry = await disk.look(path);
  if (entry === undefined) return;
  if (entry.kind !== "file") {
    const kind = entry.kind === "directory" ? "a directory" : "no regular file";
    throw new LogFileError(path, `is ${kind}; it must be a regular file or not there yet`);
  }
  if (entry.names > 1)
    throw new LogFileError(path, `is one file with ${entry.names} names (hard links); it must have one`);
}
