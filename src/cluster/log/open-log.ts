import { dirname, resolve } from "node:path";
import type { LogStore } from "../log-store.ts";
import { LogFileError } from "./errors.ts";
import { loadLog } from "./load.ts";
import { lockFile } from "./lock.ts";
import { type LogOptions, type LogSettings, withDefaults } from "./options.ts";
import { SharedFile } from "./shared-file.ts";
import { LogState } from "./state.ts";
import { Store } from "./store.ts";

/**
 * Opens the log at `dbfile`; makes an empty one if there is none. Keeps other processes from it until it is closed.
 * Errors: LogFileError.
 */
export async function openLog(given: LogOptions): Promise<LogStore> {
  const options = withDefaults(given);
  const { disk, dbfile } = options;
  await checkPaths(options);
  const unlock = await lockFile(disk, dbfile);
  try {
    await settleRewriting(options);
    return new Store(await openState(options), unlock);
  } catch (error) {
    await unlock();
    throw LogFileError.from(dbfile, "open it", error);
  }
}

async function checkPaths({ disk, dbfile, rbfile }: LogSettings): Promise<void> {
  if (resolve(dbfile) === resolve(rbfile)) {
    throw new LogFileError(rbfile, "is both dbfile and rbfile; the two must be different files");
  }
  const found: number[] = [];
  for (const path of [dbfile, rbfile]) {
    try {
      const entry = await disk.look(path);
      if (entry !== undefined && entry.kind !== "file") {
        const kind = entry.kind === "directory" ? "a directory" : "no regular file";
        throw new LogFileError(path, `is ${kind}; it must be a regular file or not there yet`);
      }
      const directory = await disk.look(dirname(resolve(path)));
      if (directory === undefined) throw new LogFileError(path, "its directory must exist");
      found.push(directory.fileSystem);
    } catch (error) {
      throw LogFileError.from(path, "look at it", error);
    }
  }
  if (found[0] !== found[1]) {
    throw new LogFileError(rbfile, `must lie on the same file system as ${dbfile}, which it is to replace`);
  }
}

/** Ends what a crash in the middle of a rewriting has left; and makes sure that there can be another one. */
async function settleRewriting(options: LogSettings): Promise<void> {
  const { disk, dbfile, rbfile, log } = options;
  const hasDb = (await disk.look(dbfile)) !== undefined;
  const hasRb = (await disk.look(rbfile)) !== undefined;
  if (!hasDb && hasRb) {
    await checkWhole(options);
    await disk.rename(rbfile, dbfile);
    await disk.syncDirectory(dbfile);
    log(`${dbfile} was not there: ${rbfile}, which is whole, has taken its place`);
    return;
  }
  try {
    await (await disk.open(rbfile, "create")).close();
    await disk.remove(rbfile);
  } catch (error) {
    throw LogFileError.from(rbfile, "make it", error);
  }
}

async function checkWhole({ disk, dbfile, rbfile, requestsMax }: LogSettings): Promise<void> {
  const file = await disk.open(rbfile, "write");
  try {
    const { condition } = await loadLog(rbfile, file, requestsMax);
    // What only the machine's memory has must not become the log.
    if (condition.kind === "intact") return await file.datasync();
    throw new LogFileError(
      rbfile,
      `is not whole (line ${condition.line}), and ${dbfile} is not there; ` +
        `rename it to ${dbfile} to use what is good of it, or remove it to begin anew`,
    );
  } finally {
    await file.close();
  }
}

async function openState(options: LogSettings): Promise<LogState> {
  const { disk, dbfile } = options;
  const isThere = (await disk.look(dbfile)) !== undefined;
  const file = await disk.open(dbfile, isThere ? "write" : "create");
  try {
    const loaded = await loadLog(dbfile, file, options.requestsMax);
    if (loaded.condition.kind === "torn") await file.truncate(loaded.endBytes);
    // A process that was killed may have left what only the machine's memory has: it counts as durable from here on.
    await file.datasync();
    await disk.syncDirectory(dbfile);
    return new LogState(options, new SharedFile(file), loaded);
  } catch (error) {
    await file.close();
    throw error;
  }
}
