/** What the log store needs of a disk. The simulation has one of its own, which loses what was not synced. */
export interface Disk {
  /**
   * `read` and `write` open a file that is there; `create` makes an empty one, in place of any that is there.
   * Errors: those of the system, with its code (ENOENT, EACCES, …).
   */
  open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile>;

  /** Undefined when nothing is there. A symbolic link is `other`. */
  look(path: string): Promise<DiskEntry | undefined>;

  /** Replaces what is at `to`. On the disk for good only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;

  /** Does nothing when nothing is there. */
  remove(path: string): Promise<void>;

  /** Makes creations, renames and removals in the directory that `path` lies in durable. */
  syncDirectory(path: string): Promise<void>;

  /** Makes a file with this content, in one step and only if nothing is there; says whether it has. */
  createExclusive(path: string, content: string): Promise<boolean>;

  /** Content of a small file; undefined when nothing is there. */
  readText(path: string): Promise<string | undefined>;

  /** This process, as it signs its locks: one word, the process id first. */
  readonly owner: string;

  /** Whether the process that signs so still runs. False for what no process signs with. */
  isRunning(owner: string): Promise<boolean>;
}

export interface DiskEntry {
  readonly kind: "file" | "directory" | "other";
  /** The same for all that can be renamed to one another. */
  readonly fileSystem: number;
  /**
   * Tells a file from all others that are there: a rename keeps it, and a copy has another. Not for ever: what
   * overwrites a file in its place has that file's, and a file system gives a removed file's to a later one.
   */
  readonly fileId: string;
}

export interface DiskFile {
  /** Bytes in the file. */
  size(): Promise<number>;
  /** Fills `into` from `position` on. Returns the number of bytes read: fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes`. On the disk for good only after `datasync`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(bytes: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}
