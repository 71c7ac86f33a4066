import { createHash, randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { messageOf } from "../../common/message-of.ts";
import { NOT_ALLOWED } from "../../settings/exit-codes.ts";
import { ExitError } from "../../settings/run-main.ts";
import { unusable } from "./files.ts";
import type { LineStart } from "./json-lines.ts";

/** The progress of an import: everything before `next` is in the store. */
export interface Journal {
  /** How far an earlier import came. Undefined when there was none, or when it was finished. */
  readonly next: LineStart | undefined;
  /** The id of the import, the same in all runs until it is finished. */
  readonly id: string;
  /** Whether the journal is kept. If it cannot be written, the import continues without it. */
  readonly isKept: boolean;
  save(next: LineStart): Promise<void>;
  /** The import is finished. */
  remove(): Promise<void>;
}

/** The content of the journal, as JSON. */
interface Entry {
  readonly line: number;
  readonly offset: number;
  readonly before: string;
  readonly routers: readonly string[];
  readonly id: string;
}

/** How much of the file before the position is compared, to check that it is still the same file. */
const comparedBytes = 64 * 1024;

/**
 * The journal of an imported file, in a file beside it. `restart`: whether to ignore an existing journal. `tell` is
 * called if the journal cannot be kept, at the latest when it is first needed. Errors: ExitError (the journal belongs
 * to another content or cluster, or is not a journal).
 */
export async function openJournal(
  file: string,
  routers: readonly string[],
  restart: boolean,
  tell: (message: string) => void,
): Promise<Journal> {
  const path = `${file}.kvlab-import`;
  let isKept = true;
  /** Writes to the journal. A failure does not stop the import. */
  const keep = async (what: string, step: () => Promise<void>) => {
    if (!isKept) return;
    await step().catch((error) => {
      isKept = false;
      tell(
        `${path} cannot be ${what} (${error.message}): this goes on without it, and says where it was when it is stopped`,
      );
    });
  };
  const found = restart ? undefined : await readEntry(path);
  if (found !== undefined) {
    const refuse = (why: string) =>
      new ExitError(NOT_ALLOWED, `${path}: ${why}; --restart begins anew, --from-line says where to go on`);
    if (!routers.some((url) => found.routers.includes(url))) {
      throw refuse(`it is of an import by ${found.routers.join(", ")}, not ${routers.join(", ")}`);
    }
    if ((await digestBefore(file, found.offset)) !== found.before) {
      throw refuse(`${file} is not what it was before line ${found.line}`);
    }
  }
  await keep("written", () => writable(path));
  const id = found?.id ?? randomUUID();
  return {
    id,
    next: found && { number: found.line, start: found.offset },
    get isKept() {
      return isKept;
    },
    async save({ number, start }) {
      const entry: Entry = {
        line: number,
        offset: start,
        before: await digestBefore(file, start),
        routers,
        id,
      };
      await keep("written", () => replaceFile(path, `${JSON.stringify(entry)}\n`));
    },
    // Also one that could be written no more: the next import of this file would begin in its middle.
    async remove() {
      await rm(`${path}.new`, { force: true }).catch(() => {});
      await rm(path, { force: true }).catch((error) => {
        tell(`${path} cannot be removed (${messageOf(error)}): the next import of ${file} needs --restart`);
      });
    },
  };
}

async function readEntry(path: string): Promise<Entry | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unusable(path, error);
  }
  try {
    const { line, offset, before, routers, id = randomUUID() } = JSON.parse(text);
    if (Number.isSafeInteger(line) && Number.isSafeInteger(offset) && Array.isArray(routers)) {
      return { line, offset, before, routers, id: String(id) };
    }
  } catch {}
  throw new ExitError(NOT_ALLOWED, `${path} is no journal of an import; remove it to begin anew`);
}

/** A digest of the bytes before `offset`. It has another length when the file is too short. */
async function digestBefore(file: string, offset: number): Promise<string> {
  const length = Math.min(offset, comparedBytes);
  const handle = await open(file, "r").catch((error) => {
    throw unusable(file, error);
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset - length);
    return `${bytesRead}:${createHash("sha256").update(buffer.subarray(0, bytesRead)).digest("base64")}`;
  } finally {
    await handle.close();
  }
}

/** Checks that a journal can be written, and leaves no file. */
async function writable(path: string): Promise<void> {
  const fresh = `${path}.new`;
  await (await open(fresh, "w")).close();
  await rm(fresh);
}

/** A process that is killed at any moment leaves the old content or the new. */
async function replaceFile(path: string, content: string): Promise<void> {
  const fresh = `${path}.new`;
  const handle = await open(fresh, "w");
  try {
    await handle.writeFile(content);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(fresh, path);
}
