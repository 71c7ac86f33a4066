import type { Buffer } from "node:buffer";
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isNoRoom } from "../../common/no-room.ts";
import { CoordinationError } from "../coordination.ts";
import { changesLine, parseState, stateText } from "./state-lines.ts";
import { type Change, Tree } from "./tree.ts";

/** Pause before a change that there was no room for is written again. */
const FULL_RETRY_MS = 500;

/** Changes beyond this, and beyond the size of the state itself, are worth a new file. */
const CHANGES_BYTES_MIN = 1024 * 1024;

/**
 * The file that an embedded service goes on from when its process starts again. It is replaced as a whole, by a
 * rename, when it is opened and when it has grown; in between, changes are added to its end.
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
   * Opens or makes the file. `onDiagnostic` is told when an unfinished write was cut off, and when there is no room.
   * Errors: SYSTEM (damaged, unreadable, unwritable).
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
   * Resolves when the changes, which the tree already has, are on disk; without room it waits until there is some, or
   * until `giveUp`. Calls must not overlap. Errors: SYSTEM; it is then unknown what is on disk, and nothing more can be saved.
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

  /** Waits for no room any more: what has none fails. */
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

  /** Writes at the end of the file. False when there was no room: then nothing of it is left. */
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
        this.#onDiagnostic?.(`${this.#path}: nothing can be saved until there is room: ${error}`);
      this.#isFull = true;
      return false;
    }
    if (this.#isFull) this.#onDiagnostic?.(`${this.#path} has room again`);
    this.#isFull = false;
    return true;
  }

  /** False when there is no room for a second file: then the present one grows on. */
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

  /** Writes the whole tree, with changes that `save` was not called for yet. A crash leaves the old file or the new. */
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

/** Makes a rename in the directory last. */
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
