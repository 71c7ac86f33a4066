import { basename, dirname } from "node:path";
import type { Disk, DiskFile } from "../../src/cluster/storage/disk/disk.ts";
import { Inode } from "./simulated-file.ts";

/** One operation, before it is carried out. */
export interface DiskOperation {
  readonly kind:
    | "open"
    | "create"
    | "read"
    | "write"
    | "truncate"
    | "datasync"
    | "rename"
    | "remove"
    | "sync-directory"
    | "lock";
  /** Name that the file has now, if it still has one. */
  readonly path: string;
}

/**
 * A disk in memory that keeps apart what is synced and what is not. Every path without a dot is a directory. Handles
 * end with the process that has opened them: their operations reject from then on.
 */
export interface SimulatedDisk extends Disk {
  /** Called before each operation; may delay it, let it fail, or end the process first. */
  intercept: ((operation: DiskOperation) => Promise<void> | void) | undefined;
  /** What all files together may still grow by; a write beyond it is cut short and fails with ENOSPC. */
  freeBytes: number;

  /** The process dies. What it has written stays, synced or not. */
  kill(): void;

  /**
   * The machine loses power. Of what was not synced each write is lost, cut off at some byte, or kept; or the file has
   * its length, but only some of the sectors, and zeros for the others, as ext4 and XFS show what no data has reached.
   * Of the changes of names, which file systems keep in their order, some first ones are kept. `keep` decides, from 0
   * (nothing is kept) to 1 (everything is).
   */
  crash(keep: () => number): void;

  /** What a program would read now; undefined when there is no such file. */
  contents(path: string): Buffer | undefined;
  /** Makes a file, synced: another one than was there before. */
  place(path: string, bytes: Uint8Array): void;
  /** Writes over a file, synced, as `cp` does: it stays the same file. */
  overwrite(path: string, bytes: Uint8Array): void;
  /** Takes a file away, synced, and gives one its place that was taken, here or from another disk of the same machine. */
  take(path: string): SimulatedFile;
  give(path: string, file: SimulatedFile): void;
  /** Inverts the bits of `mask` in one byte, as a failing disk does. */
  flip(path: string, offset: number, mask: number): void;
  paths(): string[];
}

/** A file without a name. */
export type SimulatedFile = Inode;

/** An error as the system gives it. */
export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code });
}

/** `device` tells this disk from others. */
export function createSimulatedDisk(device = 1): SimulatedDisk {
  let names = new Map<string, Inode>();
  let inodes = 0;
  const newInode = () => new Inode(`${device}:${++inodes}`);
  let syncedNames = new Map<string, Inode>();
  let nameChanges: ((names: Map<string, Inode>) => void)[] = [];
  let life = 1;
  /** By path, the life of the process that holds it. */
  const locks = new Map<string, number>();

  const changeNames = (change: (names: Map<string, Inode>) => void) => {
    change(names);
    nameChanges.push(change);
  };

  const syncNames = () => {
    syncedNames = new Map(names);
    nameChanges = [];
  };

  /** Runs one operation of the process that lives now. */
  const run = async <T>(
    kind: DiskOperation["kind"],
    path: string,
    action: () => T,
    from = life,
  ): Promise<T> => {
    await disk.intercept?.({ kind, path });
    if (from !== life) throw new Error(`${kind} ${path}: the process has ended`);
    return action();
  };

  const find = (path: string): Inode => {
    const inode = names.get(path);
    if (inode === undefined) throw systemError("ENOENT", path);
    return inode;
  };

  const openFile = (path: string, inode: Inode): DiskFile => {
    const opened = life;
    const nameNow = () => [...names].find(([, candidate]) => candidate === inode)?.[0] ?? path;
    const act = <T>(kind: DiskOperation["kind"], action: () => T) => run(kind, nameNow(), action, opened);
    return {
      size: () => act("read", () => inode.bytes.length),
      read: (into, position) =>
        act("read", () => {
          const part = inode.bytes.subarray(position, position + into.length);
          into.set(part);
          return part.length;
        }),
      write: (bytes, position) =>
        act("write", () => {
          const growth = Math.max(0, position + bytes.length - inode.bytes.length);
          const fits =
            growth <= disk.freeBytes ? bytes : bytes.subarray(0, bytes.length - growth + disk.freeBytes);
          disk.freeBytes -= Math.min(growth, disk.freeBytes);
          inode.write({ position, bytes: Buffer.from(fits) });
          if (fits.length < bytes.length) throw systemError("ENOSPC", path);
        }),
      truncate: (bytes) =>
        act("truncate", () => {
          disk.freeBytes += inode.bytes.length - bytes;
          inode.write({ length: bytes });
        }),
      datasync: () => act("datasync", () => inode.sync()),
      async close() {},
    };
  };

  const disk: SimulatedDisk = {
    intercept: undefined,
    freeBytes: Number.MAX_SAFE_INTEGER,

    open: (path, mode) =>
      run(mode === "create" ? "create" : "open", path, () => {
        if (mode !== "create") return openFile(path, find(path));
        const inode = names.get(path) ?? newInode();
        if (names.has(path)) {
          disk.freeBytes += inode.bytes.length;
          inode.write({ length: 0 });
        } else changeNames((all) => all.set(path, inode));
        return openFile(path, inode);
      }),

    async look(given) {
      const path = given.replace(/\/\.$/, "");
      const inode = names.get(path);
      const kind = inode === undefined ? "directory" : "file";
      if (kind === "directory" && path.includes(".")) return undefined;
      const fileId = inode?.id ?? `${device}:${path}`;
      return { kind, fileSystem: device, fileId, names: 1, bytes: inode?.bytes.length ?? 0 };
    },

    list: async (directory) =>
      [...names.keys()].filter((path) => dirname(path) === directory).map((path) => basename(path)),

    rename: (from, to) =>
      run("rename", from, () => {
        const inode = find(from);
        disk.freeBytes += names.get(to)?.bytes.length ?? 0;
        changeNames((all) => {
          all.delete(from);
          all.set(to, inode);
        });
      }),

    remove: (path) =>
      run("remove", path, () => {
        disk.freeBytes += names.get(path)?.bytes.length ?? 0;
        if (names.has(path)) changeNames((all) => all.delete(path));
      }),

    syncDirectory: (path) => run("sync-directory", path, syncNames),

    lock: (path) =>
      run("lock", path, () => {
        if (locks.get(path) === life) return { holder: "process 7" };
        const own = life;
        locks.set(path, own);
        return {
          isHeld: async () => locks.get(path) === own,
          async release() {
            if (locks.get(path) === own) locks.delete(path);
          },
        };
      }),

    kill() {
      life++;
    },

    crash(keep) {
      life++;
      const kept = Math.round(keep() * nameChanges.length);
      for (const inode of new Set([...names.values(), ...syncedNames.values()])) inode.crash(keep);
      for (const change of nameChanges.slice(0, kept)) change(syncedNames);
      nameChanges = [];
      names = new Map(syncedNames);
    },

    contents(path) {
      const bytes = names.get(path)?.bytes;
      return bytes === undefined ? undefined : Buffer.from(bytes);
    },

    place(path, bytes) {
      const inode = newInode();
      inode.write({ position: 0, bytes: Buffer.from(bytes) });
      inode.sync();
      disk.give(path, inode);
    },

    overwrite(path, bytes) {
      const inode = find(path);
      inode.write({ length: 0 });
      inode.write({ position: 0, bytes: Buffer.from(bytes) });
      inode.sync();
      syncNames();
    },

    take(path) {
      const inode = find(path);
      inode.sync();
      names.delete(path);
      syncNames();
      return inode;
    },

    give(path, file) {
      names.set(path, file);
      syncNames();
    },

    flip(path, offset, mask) {
      find(path).flip(offset, mask);
    },

    paths: () => [...names.keys()],
  };
  return disk;
}
