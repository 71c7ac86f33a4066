import type { Disk } from "./disk.ts";
import { LogFileError } from "./errors.ts";

/**
 * Takes the lock file beside `path`, which names its holder. Returns how to give it back.
 *
 * A lock whose holder has ended is taken over. Only who holds the lock on that lock may do so, and only after another
 * look: otherwise, of two that saw the same dead holder, the slower would take the lock from the faster one.
 * Errors: LogFileError.
 */
export async function lockFile(disk: Disk, path: string): Promise<() => Promise<void>> {
  const lockPath = `${path}.lock`;
  try {
    while (!(await disk.createExclusive(lockPath, `${disk.owner}\n`))) {
      const holder = await readHolder(disk, lockPath);
      if (holder === undefined) continue; // Given back meanwhile.
      if (await disk.isRunning(holder)) throw inUse(path, lockPath, holder);
      const unlock = await lockFile(disk, lockPath);
      try {
        if ((await readHolder(disk, lockPath)) === holder) await disk.remove(lockPath);
      } finally {
        await unlock();
      }
    }
  } catch (error) {
    throw LogFileError.from(lockPath, "make this lock file", error);
  }
  return async () => {
    // Somebody may have removed it by hand, and another process have begun.
    if ((await readHolder(disk, lockPath)) === disk.owner) await disk.remove(lockPath);
  };
}

async function readHolder(disk: Disk, lockPath: string): Promise<string | undefined> {
  return (await disk.readText(lockPath))?.trim();
}

function inUse(path: string, lockPath: string, holder: string): LogFileError {
  const pid = holder.slice(0, holder.indexOf("@"));
  return new LogFileError(
    path,
    `is in use by process ${pid} (${lockPath}); only one process at a time can have it open`,
  );
}
