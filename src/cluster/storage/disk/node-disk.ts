import { chmod, lstat, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import type { Disk } from "./disk.ts";
import { isLocal } from "./local-file-systems.ts";
import { NodeFile } from "./node-file.ts";
import { lockPath } from "./node-lock.ts";

/** The machine's file systems. */
export const nodeDisk: Disk = {
  async open(path, mode, like) {
    const permissions = like === undefined ? undefined : await permissionsOf(like);
    const handle = await open(path, { read: "r", write: "r+", create: "w+" }[mode], permissions);
    try {
      // It may have been there before; and the umask counts for a new one.
      if (permissions !== undefined && (await permissionsOf(path)) !== permissions) {
        await chmod(path, permissions);
      }
      return new NodeFile(handle, await isLocal(path));
    } catch (error) {
      await handle.close();
      throw error;
    }
  },

  async look(path) {
    // As bigint: inode numbers of some file systems are not safe as a number.
    const found = await unlessMissing(lstat(path, { bigint: true }));
    if (found === undefined) return undefined;
    const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
    return {
      kind,
      fileSystem: Number(found.dev),
      fileId: `${found.ino}:${found.birthtimeMs}`,
      names: Number(found.nlink),
      bytes: Number(found.size),
    };
  },

  list: readdir,

  rename,

  remove: (path) => rm(path, { force: true }),

  async syncDirectory(path) {
    // Windows knows no such thing; its file systems order the changes of names themselves.
    if (process.platform === "win32") return;
    const directory = await open(dirname(path), "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },

  lock: lockPath,
};

/** Undefined when nothing is there. */
async function permissionsOf(path: string): Promise<number | undefined> {
  const found = await unlessMissing(stat(path));
  return found && found.mode & 0o777;
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
