import { lstat, readFile } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../../../common/message-of.ts";
import type { FileLock } from "./disk.ts";

/**
 * Locks on files that the kernel keeps, for as long as the process lives and no longer: across containers, and across
 * machines where the file system has locks (NFS, SMB). None of the runtimes offers these, but each has SQLite, which
 * locks its files so: a transaction that writes nothing, in a database that stays empty.
 *
 * The lock is the process's (fcntl(2)): it ends when anything in this process closes the file. So nothing else may ever
 * open it here, and it is never removed: who locks a removed file locks nothing.
 */
export async function lockPath(path: string): Promise<FileLock | { readonly holder: string }> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path);
  try {
    // Without this, a file for the journal is looked for.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    const said = messageOf(error);
    if (said.includes("is locked")) return { holder: await holderOf(path) };
    throw new Error(`${said}${hints.find(([part]) => said.includes(part))?.[1] ?? ""}`, { cause: error });
  }
  held.add(database);
  const inode = await inodeOf(path);
  return {
    isHeld: async () => (await inodeOf(path)) === inode,
    async release() {
      held.delete(database);
      database.close();
    },
  };
}

/** What nobody refers to is closed by the garbage collector. */
const held = new Set<DatabaseSync>();

const hints: readonly (readonly [string, string])[] = [
  ["not a database", "; an earlier version has left it: make sure that none is running, and remove it"],
  ["unable to open", "; the file and its directory must be writable by this user, and the disk not be full"],
  ["readonly", "; the file and its directory must be writable by this user"],
  ["I/O error", "; its file system must have locks"],
  ["locking protocol", "; its file system must have locks"],
];

async function inodeOf(path: string): Promise<bigint | undefined> {
  return await lstat(path, { bigint: true }).then(
    ({ ino }) => ino,
    () => undefined,
  );
}

/** Names the process that holds a lock on the file, as far as Linux tells; it does not across containers. */
async function holderOf(path: string): Promise<string> {
  const inode = await inodeOf(path);
  const locks = await readFile("/proc/locks", "utf8").catch(() => "");
  const pid = new RegExp(`POSIX .* WRITE (\\d+) [0-9a-f]+:[0-9a-f]+:${inode} 1073741824 `).exec(locks)?.[1];
  return pid === undefined
    ? "another process, perhaps in another container or on another machine"
    : `process ${pid}`;
}
