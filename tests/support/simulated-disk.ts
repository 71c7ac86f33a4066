import { basename, dirname } from "node:path";
import type { Disk, DiskEntry, DiskFile, FileLock } from "../../src/cluster/storage/disk/disk.ts";
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

/** A file without a name. */
export type SimulatedFile = Inode;

/** An error as the system gives it. */
export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code });
}

/**
 * A disk in memory that keeps apart what is synced and what is not. Every path without a dot is a directory. Handles
 * end with the process that has opened them: their operations reject from then on.
 */
export class SimulatedDisk implements Disk {
  /** Called before each operation; may delay it, let it fail, or end the process first. */
  intercept: ((operation: DiskOperation) => Promise<void> | void) | undefined;
  /** What all files together may still grow by; a write beyond it is cut short and fails with ENOSPC. */
  freeBytes = Number.MAX_SAFE_INTEGER;
  readonly #device: number;
  #inodes = 0;
  #names = new Map<string, Inode>();
  #syncedNames = new Map<string, Inode>();
  /** What has happened to the names since they were synced. */
  #nameChanges: ((names: Map<string, Inode>) => void)[] = [];
  /** Number of the process that lives now. */
  #life = 1;
  /** By path, the life of the process that holds it. */
  readonly #locks = new Map<string, number>();

  /** `device` tells this disk from others. */
  constructor(device = 1) {
    this.#device = device;
  }

  open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    return this.#run(mode === "create" ? "create" : "open", path, () => {
      if (mode !== "create") return this.#openFile(path, this.#find(path));
      const inode = this.#names.get(path) ?? this.#newInode();
      if (this.#names.has(path)) {
        this.freeBytes += inode.bytes.length;
        inode.write({ length: 0 });
      } else this.#changeNames((all) => all.set(path, inode));
      return this.#openFile(path, inode);
    });
  }

  async look(given: string): Promise<DiskEntry | undefined> {
    const path = given.replace(/\/\.$/, "");
    const inode = this.#names.get(path);
    const kind = inode === undefined ? "directory" : "file";
    if (kind === "directory" && path.includes(".")) return undefined;
    const fileId = inode?.id ?? `${this.#device}:${path}`;
    return { kind, fileSystem: this.#device, fileId, names: 1, bytes: inode?.bytes.length ?? 0 };
  }

  async list(directory: string): Promise<string[]> {
    return this.paths()
      .filter((path) => dirname(path) === directory)
      .map((path) => basename(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run("rename", from, () => {
      const inode = this.#find(from);
      this.freeBytes += this.#names.get(to)?.bytes.length ?? 0;
      this.#changeNames((all) => {
        all.delete(from);
        all.set(to, inode);
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#run("remove", path, () => {
      this.freeBytes += this.#names.get(path)?.bytes.length ?? 0;
      if (this.#names.has(path)) this.#changeNames((all) => all.delete(path));
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#run("sync-directory", path, () => this.#syncNames());
  }

  lock(path: string): Promise<FileLock | { readonly holder: string }> {
    return this.#run("lock", path, () => {
      if (this.#locks.get(path) === this.#life) return { holder: "process 7" };
      const own = this.#life;
      this.#locks.set(path, own);
      return {
        isHeld: async () => this.#locks.get(path) === own,
        release: async () => {
          if (this.#locks.get(path) === own) this.#locks.delete(path);
        },
      };
    });
  }

  /** The process dies. What it has written stays, synced or not. */
  kill(): void {
    this.#life++;
  }

  /**
   * The machine loses power. Of what was not synced each write is lost, cut off at some byte, or kept; or the file has
   * its length, but only some of the sectors, and zeros for the others, as ext4 and XFS show what no data has reached.
   * Of the changes of names, which file systems keep in their order, some first ones are kept. `keep` decides, from 0
   * (nothing is kept) to 1 (everything is).
   */
  crash(keep: () => number): void {
    this.#life++;
    const kept = Math.round(keep() * this.#nameChanges.length);
    for (const inode of new Set([...this.#names.values(), ...this.#syncedNames.values()])) inode.crash(keep);
    for (const change of this.#nameChanges.slice(0, kept)) change(this.#syncedNames);
    this.#nameChanges = [];
    this.#names = new Map(this.#syncedNames);
  }

  /** What a program would read now; undefined when there is no such file. */
  contents(path: string): Buffer | undefined {
    const bytes = this.#names.get(path)?.bytes;
    return bytes === undefined ? undefined : Buffer.from(bytes);
  }

  /** Makes a file, synced: another one than was there before. */
  place(path: string, bytes: Uint8Array): void {
    const inode = this.#newInode();
    inode.write({ position: 0, bytes: Buffer.from(bytes) });
    inode.sync();
    this.give(path, inode);
  }

  /** Writes over a file, synced, as `cp` does: it stays the same file. */
  overwrite(path: string, bytes: Uint8Array): void {
    const inode = this.#find(path);
    inode.write({ length: 0 });
    inode.write({ position: 0, bytes: Buffer.from(bytes) });
    inode.sync();
    this.#syncNames();
  }

  /**
   * The disk takes nothing of what was written to a file and not synced. As on Linux one sync fails for that, which is the
   * caller's; then ext4 and XFS count these pages as clean, show what is in them, and no later sync writes them.
   */
  giveUpWrites(path: string): void {
    this.#find(path).giveUp();
  }

  /** Takes a file away, synced, which `give` can put here or on another disk of the same machine. */
  take(path: string): SimulatedFile {
    const inode = this.#find(path);
    inode.sync();
    this.#names.delete(path);
    this.#syncNames();
    return inode;
  }

  /** Gives a file that was taken a place, synced. */
  give(path: string, file: SimulatedFile): void {
    this.#names.set(path, file);
    this.#syncNames();
  }

  /** Inverts the bits of `mask` in one byte, as a failing disk does. */
  flip(path: string, offset: number, mask: number): void {
    this.#find(path).flip(offset, mask);
  }

  paths(): string[] {
    return [...this.#names.keys()];
  }

  #newInode(): Inode {
    return new Inode(`${this.#device}:${++this.#inodes}`);
  }

  #find(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError("ENOENT", path);
    return inode;
  }

  #changeNames(change: (names: Map<string, Inode>) => void): void {
    change(this.#names);
    this.#nameChanges.push(change);
  }

  #syncNames(): void {
    this.#syncedNames = new Map(this.#names);
    this.#nameChanges = [];
  }

  /** Runs one operation of the process that lives now, or of an earlier one. */
  async #run<T>(kind: DiskOperation["kind"], path: string, action: () => T, from = this.#life): Promise<T> {
    await this.intercept?.({ kind, path });
    if (from !== this.#life) throw new Error(`${kind} ${path}: the process has ended`);
    return action();
  }

  #openFile(path: string, inode: Inode): DiskFile {
    const opened = this.#life;
    const nameNow = () => [...this.#names].find(([, candidate]) => candidate === inode)?.[0] ?? path;
    const act = <T>(kind: DiskOperation["kind"], action: () => T) =>
      this.#run(kind, nameNow(), action, opened);
    return {
      size: () => act("read", () => inode.bytes.length),
      read: (into, position) =>
        act("read", () => {
          const part = inode.bytes.subarray(position, position + into.length);
          into.set(part);
          return part.length;
        }),
      write: (bytes, position) => act("write", () => this.#write({ path, inode, bytes, position })),
      truncate: (bytes) =>
        act("truncate", () => {
          this.freeBytes += inode.bytes.length - bytes;
          inode.write({ length: bytes });
        }),
      datasync: () => act("datasync", () => inode.sync()),
      async close() {},
    };
  }

  #write(write: {
    readonly path: string;
    readonly inode: Inode;
    readonly bytes: Uint8Array;
    readonly position: number;
  }): void {
    const { path, inode, bytes, position } = write;
    const growth = Math.max(0, position + bytes.length - inode.bytes.length);
    const fits = growth <= this.freeBytes ? bytes : bytes.subarray(0, bytes.length - growth + this.freeBytes);
    this.freeBytes -= Math.min(growth, this.freeBytes);
    inode.write({ position, bytes: Buffer.from(fits) });
    if (fits.length < bytes.length) throw systemError("ENOSPC", path);
  }
}
