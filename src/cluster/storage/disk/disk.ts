/** What the log store needs of a disk. The simulation has one of its own, which loses what was not synced. */
export interface Disk {
  /**
   * `read` and `write` open a file that is there; `create` makes an empty one, in place of any that is there. The same
   * people may read and write it as the file at `like`, if that is there.
   * Errors: those of the system, with its code (ENOENT, EACCES, …).
   */
  open(path: string, mode: "read" | "write" | "create", like?: string): Promise<DiskFile>;

  /** Undefined when nothing is there. A symbolic link is `other`. */
  look(path: string): Promise<DiskEntry | undefined>;

  /** The names in a directory. */
  list(directory: string): Promise<string[]>;

  /** Replaces what is at `to`. On the disk for good only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;

  /** Does nothing when nothing is there. */
  remove(path: string): Promise<void>;

  /** Makes creations, renames and removals in the directory that `path` lies in durable. */
  syncDirectory(path: string): Promise<void>;

  /**
   * Makes a file at `path`, which nothing else may ever open, and locks it against everyone, in this process and all
   * others. The end of the process ends the lock. Says who holds it when it is locked already.
   */
  lock(path: string): Promise<FileLock | { readonly holder: string }>;
}

export interface DiskEntry {
  readonly kind: "file" | "directory" | "other";
  /** The same for all that can be renamed to one another. */
  readonly fileSystem: number;
  /**
   * Tells a file from its copies: a rename keeps it, and so does a restart of the machine. What is written over a file
   * in its place, or restored with the whole file system, has that file's.
   */
  readonly fileId: string;
  /** Names that the file has: more than one when there are hard links. */
  readonly names: number;
  readonly bytes: number;
}

export interface FileLock {
  /** False once somebody has removed or replaced the locked file: then others can lock it, too. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

export interface DiskFile {
  /** Bytes in the file. */
  size(): Promise<number>;
  /** Fills `into` from `position` on. Returns the number of bytes read: fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /**
   * As `read`, at once. False when it might have to wait for the disk, or did not get all: then only `read` can tell.
   * Without this method it is always so.
   */
  readNow?(into: Uint8Array, position: number): boolean;
  /** Writes all of `bytes`. On the disk for good only after `datasync`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(bytes: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}
