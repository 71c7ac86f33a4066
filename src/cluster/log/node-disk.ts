import { randomUUID } from "node:crypto";
import { type FileHandle, link, lstat, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import type { Disk, DiskFile } from "./disk.ts";

/** The machine's file systems. */
export const nodeDisk: Disk = {
  async open(path, mode) {
    const handle = await open(path, { read: "r", write: "r+", create: "w+" }[mode]);
    return nodeFile(handle);
  },

  async look(path) {
    // As bigint: inode numbers of some file systems are not safe as a number.
    const found = await unlessMissing(lstat(path, { bigint: true }));
    if (found === undefined) return undefined;
    const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
    return { kind, fileSystem: Number(found.dev), fileId: `${found.dev}:${found.ino}` };
  },

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

  async createExclusive(path, content) {
    // A link appears together with the file's content, so that nobody ever reads half of it.
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, content, { flag: "wx" });
    try {
      await link(draft, path);
      return true;
    } catch (error) {
      if (hasCode(error, "EEXIST")) return false;
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
  },

  readText: (path) => unlessMissing(readFile(path, "utf8")),

  // Read here once: a process keeps its start for as long as it runs.
  owner: signature(process.pid, await startOf(process.pid)),

  async isRunning(owner) {
    const pid = /^[1-9]\d{0,9}(?=@)/.exec(owner)?.[0];
    if (pid === undefined) return false;
    const start = await startOf(Number(pid));
    return start !== undefined && signature(Number(pid), start) === owner;
  },
};

function signature(pid: number, start: string | undefined): string {
  return `${pid}@${start}`;
}

/**
 * Tells one process with a given id from the next: the machine's boot and the clock ticks since then (proc(5)). Where
 * there is no /proc, only whether the id is in use. Undefined when no such process runs.
 */
async function startOf(pid: number): Promise<string | undefined> {
  const boot = await unlessMissing(readFile("/proc/sys/kernel/random/boot_id", "utf8"));
  if (boot === undefined) return isInUse(pid) ? "unknown" : undefined;
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The second field, a name in parentheses, may hold anything. After it come the state and, as 22nd, the start.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields?.[0];
  // A zombie has ended; only its parent has not asked yet.
  if (fields === undefined || state === "Z" || state === "X") return undefined;
  return `${boot.trim()}:${fields[19]}`;
}

function isInUse(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

function nodeFile(handle: FileHandle): DiskFile {
  return {
    size: async () => (await handle.stat()).size,
    async read(into, position) {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    async write(bytes, position) {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    },
    truncate: (bytes) => handle.truncate(bytes),
    datasync: () => handle.datasync(),
    close: () => handle.close(),
  };
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
