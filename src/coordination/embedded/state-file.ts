import type { Buffer } from "node:buffer";
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { CoordinationError } from "../coordination.ts";
import { changesLine, parseState, stateText } from "./state-lines.ts";
import { type Change, Tree } from "./tree.ts";

/** Changes beyond this, and beyond the size of the state itself, are worth a new file. */
const CHANGES_BYTES_MIN = 1024 * 1024;

/**
 * The file that an embedded service goes on from when its process starts again. It is replaced as a whole, by a
 * rename, when it is opened and when it has grown; in between, changes are added to its end.
 */
export class StateFile {
  readonly #path: string;
  readonly #tree: Tree;
  #handle: FileHandle | undefined;
  /** The last change that is on disk. */
  #savedZxid = 0;
  #bytes = 0;
  #bytesMax = 0;

  private constructor(path: string, tree: Tree) {
    this.#path = path;
    this.#tree = tree;
  }

  /**
   * Opens or makes the file. `onTrouble` is told when an unfinished write was cut off.
   * Errors: SYSTEM (damaged, unreadable, unwritable).
   */
  static async open(
    path: string,
    onTrouble?: (message: string) => void,
  ): Promise<{ file: StateFile; tree: Tree }> {
    const bytes = await readIfThere(path);
    const { tree, tornBytes } =
      bytes === undefined ? { tree: new Tree(), tornBytes: 0 } : parseState(bytes, path);
    if (tornBytes > 0) onTrouble?.(`${path}: cut off an unfinished write of ${tornBytes} bytes at the end`);
    const file = new StateFile(path, tree);
    await file.#replace().catch((error) => {
      throw unwritable(path, error);
    });
    return { file, tree };
  }

  /**
   * Resolves when the changes, which the tree already has, are on disk. Calls must not overlap.
   * Errors: SYSTEM; it is then unknown what is on disk, and nothing more can be saved.
   */
  async save(changes: readonly Change[]): Promise<void> {
    const [first, ...rest] = changes.filter(({ zxid }) => zxid > this.#savedZxid);
    if (first === undefined) return;
    try {
      if (this.#bytes > this.#bytesMax) await this.#replace();
      else await this.#append(changesLine([first, ...rest]), rest.at(-1)?.zxid ?? first.zxid);
    } catch (error) {
      throw unwritable(this.#path, error);
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #append(line: Buffer, zxid: number): Promise<void> {
    await this.#handle?.appendFile(line);
    await this.#handle?.datasync();
    this.#savedZxid = zxid;
    this.#bytes += line.length;
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
