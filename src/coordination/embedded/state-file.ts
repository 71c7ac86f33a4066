import type { Buffer } from "node:buffer";
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isNoRoom } from "../../common/no-room.ts";
import { CoordinationError } from "../coordination.ts";
import { changesLine, parseState, stateText } from "./state-lines.ts";
import { type Change, Tree } from "./tree.ts";

/** Pause before a change is written again after the disk was full. */
const FULL_RETRY_MS = 500;

/** When the changes are longer than this, and longer than the state itself, the file is written anew. */
const CHANGES_BYTES_MIN = 1024 * 1024;

/**
 * The file from which an embedded service continues after a restart. Opening it, and growth, replace it as a whole by a
 * rename. In between, changes are appended.
 */
export class StateFile {
  readonly #path: string;
  readonly #tree: Tree;
  readonly #onDiagnostic: ((message: string) => void) | undefined;
  readonly #closing = new AbortController();
  #isFull = false;
  #handle: FileHandle | undefined;
  /** The last change that is on disk. */
  #savedZxid = 0;
  #bytes = 0;
  #bytesMax = 0;

  private constructor(path: string, tree: Tree, onDiagnostic: ((message: string) => void) | undefined) {
    this.#path = path;
    this.#tree = tree;
    this.#onDiagnostic = onDiagnostic;
  }

  /**
   * Opens or creates the file. `onDiagnostic` is called when an unfinished write was cut off, and when the disk is
   * full. Errors: SYSTEM (damaged, unreadable, unwritable).
   */
  static async open(
    path: string,
    onDiagnostic?: (message: string) => void,
  ): Promise<{ file: StateFile; tree: Tree }> {
    const bytes = await readIfThere(path);
    const { tree, tornBytes } =
      bytes === undefined ? { tree: new Tree(), tornBytes: 0 } : parseState(bytes, path);
    if (tornBytes > 0)
      onDiagnostic?.(`${path}: cut off an unfinished write of ${tornBytes} bytes at the end`);
    const file = new StateFile(path, tree, onDiagnostic);
    await file.#replace().catch((error) => {
      throw unwritable(path, error);
    });
    return { file, tree };
  }

  /**
   * Saves changes that the tree already contains; resolves when they are on disk. While the disk is full it waits,
   * until `giveUp`. Calls must not overlap. Errors: SYSTEM; it is then unknown what is on disk, and nothing more can be
   * saved.
   */
  async save(changes: readonly Change[]): Promise<void> {
    const [first, ...rest] = changes.filter(({ zxid }) => zxid > this.#savedZxid);
    if (first === undefined) return;
    try {
      if (this.#bytes > this.#bytesMax && (await this.#tryReplace())) return;
      await this.#append(changesLine([first, ...rest]), rest.at(-1)?.zxid ?? first.zxid);
    } catch (error) {
      throw unwritable(this.#path, error);
    }
  }

  /** Stops waiting while the disk is full: `save` then fails. */
  giveUp(): void {
    this.#closing.abort();
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #append(line: Buffer, zxid: number): Promise<void> {
    while (!(await this.#tryWrite(line))) {
      await sleep(FULL_RETRY_MS, undefined, { signal: this.#closing.signal });
    }
    await this.#handle?.datasync();
    this.#savedZxid = zxid;
    this.#bytes += line.length;
  }

  /** Appends to the file. False when the disk is full: then no part of it is left. */
  async #tryWrite(line: Buffer): Promise<boolean> {
    try {
      for (let done = 0; done < line.length; ) {
        const written = await this.#handle?.write(line, done, line.length - done, this.#bytes + done);
        done += written?.bytesWritten ?? line.length;
      }
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      await this.#handle?.truncate(this.#bytes);
      if (!this.#isFull)
        this.#onDiagnostic?.(`${this.#path}: nothing can be saved until the disk has room: ${error}`);
      this.#isFull = true;
      return false;
    }
    if (this.#isFull) this.#onDiagnostic?.(`${this.#path} has room again`);
    this.#isFull = false;
    return true;
  }

  /** False when there is no room for a second file: then the present file keeps growing. */
  async #tryReplace(): Promise<boolean> {
    try {
      await this.#replace();
      return true;
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      await rm(`${this.#path}.new`, { force: true });
      this.#bytesMax = this.#bytes + CHANGES_BYTES_MIN;
      return false;
    }
  }

  /** Writes the whole tree, with the changes that were not saved yet. A crash leaves the old file or the new one. */
  async #replace(): Promise<void> {
    const zxid = this.#tree.zxid;
    const text = stateText(this.#tree);
    const next = await open(`${this.#path}.new`, "w");
    try {
      await next.appendFile(text);
      await next.sync();
      await rename(`${this.#path}.new`, this.#path);
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      await next.close();
      throw error;
    }
    await this.#handle?.close();
    this.#handle = next;
    this.#savedZxid = zxid;
    this.#bytes = text.length;
    this.#bytesMax = 2 * text.length + CHANGES_BYTES_MIN;
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new CoordinationError("SYSTEM", `cannot read ${path}: ${error}`, { cause: error });
  }
}

/** Makes a rename in the directory durable. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function unwritable(path: string, error: unknown): CoordinationError {
  return new CoordinationError("SYSTEM", `cannot write ${path}: ${error}`, { cause: error });
}
