import { statfs } from "node:fs/promises";

/** Bytes of a file system. */
export interface DiskSpace {
  readonly diskTotal: number;
  /** Without what only root may still write. */
  readonly diskUsed: number;
}

/**
 * Returns a function that gives the space of the file system with this folder, as it was last read, and begins to read it
 * anew. So nobody waits for a disk that hangs, and there is one call to it at a time. Undefined before the first answer,
 * and when the folder cannot be read.
 */
export function diskSpaceReader(folder: string, read = readSpace): () => DiskSpace | undefined {
  let last: DiskSpace | undefined;
  let isReading = false;
  return () => {
    if (!isReading) {
      isReading = true;
      read(folder)
        .then(
          (space) => {
            last = space;
          },
          () => {
            last = undefined;
          },
        )
        .finally(() => {
          isReading = false;
        });
    }
    return last;
  };
}

async function readSpace(folder: string): Promise<DiskSpace> {
  const { blocks, bfree, bsize } = await statfs(folder);
  return { diskTotal: blocks * bsize, diskUsed: (blocks - bfree) * bsize };
}
