import { lstat, open, readdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import type { Disk } from "./disk.ts";
import { isLocal } from "./local-file-systems.ts";
import { NodeFile } from "./node-file.ts";
import { lockPath } from "./node-lock.ts";

/** The machine's file systems. */
export const nodeDisk: Disk = {
  async open(path, mode) {
    const handle = await open(path, { read: "r", write: "r+", create: "w+" }[mode]);
    return new NodeFile(handle, await isLocal(path));
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
