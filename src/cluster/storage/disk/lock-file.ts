import { LogFileError, LogInUse } from "../errors.ts";
import type { Disk, FileLock } from "./disk.ts";

/**
 * Locks the file at `path` against every other process that locks it, by a lock file beside it: `<path>.lock`, which is
 * empty and stays. So a path means the same however it is spelt, and it need not exist. Returns how to unlock it.
 * Errors: LogFileError.
 */
export async function lockFile(disk: Disk, path: string): Promise<FileLock> {
  const lockPath = `${path}.lock`;
  let taken: Awaited<ReturnType<Disk["lock"]>>;
  try {
    taken = await disk.lock(lockPath);
  } catch (error) {
    throw LogFileError.from(lockPath, "lock this file", error);
  }
  if ("release" in taken) return taken;
  throw new LogInUse(
    path,
    `is in use by ${taken.holder} (${lockPath} is locked); only one process at a time can have it open`,
  );
}
