import { basename, dirname, resolve } from "node:path";
import { checkReplaceable } from "./disk/check-replaceable.ts";
import type { Disk, DiskFile, FileLock } from "./disk/disk.ts";
import { lockFile } from "./disk/lock-file.ts";
import { clearRbfile } from "./disk/rbfile.ts";
import { LogFileError } from "./errors.ts";
import { smallChunkBytes } from "./format/log-reader.ts";
import { indexPaths } from "./index-file/contents.ts";
import { loadByIndex } from "./index-file/load-by-index.ts";
import { loadLog } from "./load.ts";
import { LogFile } from "./log-file.ts";
import type { LogStore } from "./log-store.ts";
import { type LogOptions, type LogSettings, withDefaults } from "./options.ts";
import { keepBeside } from "./rewrite/cut-off.ts";
import { LogState } from "./state.ts";
import { Store } from "./store.ts";

/**
 * Opens the log at `dbfile`; makes an empty one if there is none. Keeps other processes from it, and from `rbfile`,
 * until it is closed. What cannot be opened is left as it is. Errors: LogFileError.
 */
export async function openLog(given: LogOptions): Promise<LogStore> {
  const options = withDefaults(given);
  const { disk, dbfile, rbfile } = options;
  await checkPaths(options);
  const lock = await lockBoth(disk, dbfile, rbfile);
  try {
    await takeRewritten(options);
    return new Store(await openState(options), lock);
  } catch (error) {
    await lock.release();
    throw LogFileError.from(dbfile, "open it", error);
  }
}

async function lockBoth(disk: Disk, dbfile: string, rbfile: string): Promise<FileLock> {
  const db = await lockFile(disk, dbfile);
  try {
    const rb = await lockFile(disk, rbfile);
    return {
      isHeld: async () => (await db.isHeld()) && (await rb.isHeld()),
      release: async () => {
        await rb.release();
        await db.release();
      },
    };
  } catch (error) {
    await db.release();
    throw error;
  }
}

async function checkPaths({ disk, dbfile, rbfile }: LogSettings): Promise<void> {
  const places: { fileSystem: number; name: string }[] = [];
  for (const path of [dbfile, rbfile]) {
    try {
      await checkReplaceable(disk, path);
      // So written, it is the directory itself and no link to it.
      const folder = await disk.look(`${dirname(resolve(path))}/.`);
      if (folder === undefined) throw new LogFileError(path, "its directory must exist");
      places.push({ fileSystem: folder.fileSystem, name: `${folder.fileId}/${basename(path)}` });
    } catch (error) {
      throw LogFileError.from(path, "look at it", error);
    }
  }
  const [db, rb] = places;
  if (db?.name === rb?.name) {
    throw new LogFileError(rbfile, "is both dbfile and rbfile; the two must be different files");
  }
  const index = indexPaths(db?.name ?? "");
  if (rb?.name === index.path || rb?.name === index.draft) {
    throw new LogFileError(rbfile, "is the index file of dbfile; the two must be different files");
  }
  if (db?.fileSystem !== rb?.fileSystem) {
    throw new LogFileError(rbfile, `must lie on the same file system as ${dbfile}, which it is to replace`);
  }
}

/** If only a rewritten log is there, it becomes the log. */
async function takeRewritten(options: LogSettings): Promise<void> {
  const { disk, dbfile, rbfile, log } = options;
  if ((await disk.look(dbfile)) !== undefined || (await disk.look(rbfile)) === undefined) return;
  await checkRewritten(options);
  await disk.rename(rbfile, dbfile);
  await disk.syncDirectory(dbfile);
  log(`${dbfile} was not there: ${rbfile}, which is whole, has taken its place`);
}

async function checkRewritten({ disk, dbfile, rbfile, requestsMax, group }: LogSettings): Promise<void> {
  const file = await disk.open(rbfile, "write");
  try {
    const { condition, facts } = await loadLog(rbfile, file, requestsMax);
    const { identity } = facts;
    if (identity !== undefined && group !== undefined && identity.group !== group) {
      throw new LogFileError(
        rbfile,
        `is a log of group "${identity.group}", and ${dbfile} is not there; allowed is one of group "${group}", or none`,
      );
    }
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
    const fileId = (await disk.look(dbfile))?.fileId;
    const loaded =
      (await loadByIndex(options, file, fileId)) ?? (await loadLog(dbfile, file, options.requestsMax));
    // Adopting a copy gives it a header of its own. That is a rewrite, which may have been interrupted.
    const isCopy = loaded.fileId !== undefined && loaded.fileId !== fileId;
    const { condition, facts, positions } = loaded;
    await clearRbfile(options, isCopy ? undefined : facts.identity);
    if (condition.kind === "torn") {
      const from = facts.endBytes;
      const part = {
        file,
        from,
        to: from + condition.bytesCut,
        after: positions.last,
        epochs: positions.epochs,
        moves: positions.moves,
      };
      await keepBeside(options, part, `at line ${condition.line}, which an interrupted write has left`);
      await file.truncate(from);
    }
    await writeAgain(file, loaded.lastWriteFrom, facts.endBytes);
    // A process that was killed may have left what only the machine's memory has: it counts as durable from here on.
    await file.datasync();
    await disk.syncDirectory(dbfile);
    return new LogState(options, new LogFile(file, { ...facts, isCopy }), loaded);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Writes a part of a log again, the last write. A sync may have failed for it. Then the machine's memory still has it, but
 * takes it for being on the disk (so ext4 and XFS on Linux), and no sync would put it there.
 */
async function writeAgain(file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += smallChunkBytes) {
    const part = Buffer.alloc(Math.min(smallChunkBytes, to - at));
    if ((await file.read(part, at)) < part.length) throw new Error("the file has become shorter");
    await file.write(part, at);
  }
}
