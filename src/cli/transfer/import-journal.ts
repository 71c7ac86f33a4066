import { createHash, randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { NOT_ALLOWED } from "../../settings/exit-codes.ts";
import { ExitError } from "../../settings/run-main.ts";
import { unusable } from "./files.ts";
import type { LineStart } from "./json-lines.ts";

/** How far the import of a file has come: everything before `next` is in the store. */
export interface Journal {
  /** Where an earlier import has come to; undefined when there was none, or it was finished. */
  readonly next: LineStart | undefined;
  /** Names the import over all runs until it is finished. */
  readonly id: string;
  /** Whether it is still kept: where it cannot be written, the import goes on without it. */
  readonly isKept: boolean;
  save(next: LineStart): Promise<void>;
  /** The import is finished. */
  remove(): Promise<void>;
}

/** What stands in the journal, as JSON. */
interface Entry {
  readonly line: number;
  readonly offset: number;
  readonly before: string;
  readonly routers: readonly string[];
  readonly id: string;
}

/** So much of the file before the place is compared, to know whether it is still the file that it was. */
const comparedBytes = 64 * 1024;

/**
 * The journal of a file that is imported, in a file beside it. `restart`: whether to pass over what is there. `tell` is
 * told, at the latest when it is needed first, that it cannot be kept. Errors: ExitError (it is of another content or
 * cluster, or no journal).
 */
export async function openJournal(
  file: string,
  routers: readonly string[],
  restart: boolean,
  tell: (message: string) => void,
): Promise<Journal> {
  const path = `${file}.kvlab-import`;
  let isKept = true;
  /** What is done to the journal; whatever fails there is no reason to import nothing. */
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
    remove: () => keep("removed", () => rm(path, { force: true })),
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

/** A digest of what stands before `offset`; of another length when the file is too short. */
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

/** Tries whether a journal can be written, and leaves nothing. */
async function writable(path: string): Promise<void> {
  const fresh = `${path}.new`;
  await (await open(fresh, "w")).close();
  await rm(fresh);
}

/** Whoever is killed at any moment leaves the old content or the new. */
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
