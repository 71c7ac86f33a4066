import { LogFileError } from "../errors.ts";
import { readTokens, smallChunkBytes } from "../format/log-reader.ts";
import type { Token } from "../format/token.ts";
import type { LogIdentity } from "../model.ts";
import type { LogSettings } from "../options.ts";
import { nameForKept } from "../rewrite/cut-off.ts";
import type { Disk } from "./disk.ts";

/** What stands at `rbfile`, as far as its beginning tells. */
type Found =
  /** Nothing; or what a crash leaves of a rewrite before its header is on the disk. */
  | { readonly kind: "nothing" }
  /** A log, with its owner if it has one. */
  | { readonly kind: "log"; readonly owner: LogIdentity | undefined; readonly isOriginal: boolean }
  | { readonly kind: "other" };

/**
 * Makes room at `rbfile`, where a rewrite that a crash has ended may have left something, and proves that a file can
 * be made there. `own`: of the log at `dbfile`. Leaves alone what is another node's, or no log. Errors: LogFileError.
 */
export async function clearRbfile(options: LogSettings, own: LogIdentity | undefined): Promise<void> {
  const { disk, dbfile, rbfile } = options;
  try {
    const found = await lookInto(disk, rbfile);
    if (found.kind === "other") {
      throw new LogFileError(rbfile, "is no log; rbfile must name a file that nothing else uses");
    }
    if (found.kind === "log") {
      const { owner, isOriginal } = found;
      if (own !== undefined && owner !== undefined && !isSame(owner, own)) {
        throw new LogFileError(
          rbfile,
          `is a log of ${describe(owner)}, and ${dbfile} is one of ${describe(own)}; ` +
            "rbfile must name a file that nothing else uses",
        );
      }
      // It may have been going to replace the log at dbfile, or be the only one that somebody has.
      if (isOriginal || (owner !== undefined && own === undefined)) await setAside(options);
    }
    await (await disk.open(rbfile, "create")).close();
    await disk.remove(rbfile);
  } catch (error) {
    throw LogFileError.from(rbfile, "make it", error);
  }
}

async function setAside({ disk, dbfile, rbfile, log }: LogSettings): Promise<void> {
  const keptIn = await nameForKept(disk, dbfile);
  await disk.rename(rbfile, keptIn);
  await disk.syncDirectory(rbfile);
  log(`${rbfile} was there beside ${dbfile}, and nobody knows whose it is: it is kept as ${keptIn}`);
}

async function lookInto(disk: Disk, path: string): Promise<Found> {
  if ((await disk.look(path)) === undefined) return { kind: "nothing" };
  const file = await disk.open(path, "read");
  try {
    const start = Buffer.alloc(Math.min(smallChunkBytes, await file.size()));
    await file.read(start, 0);
    const [first] = await firstTokens(start);
    if (first?.kind === "control" && first.control.kind === "header") {
      return { kind: "log", owner: first.control.identity, isOriginal: false };
    }
    if (first?.kind === "record") return { kind: "log", owner: undefined, isOriginal: first.record.legacy };
    return { kind: isBegun(start) ? "nothing" : "other" };
  } finally {
    await file.close();
  }
}

async function firstTokens(start: Buffer): Promise<Token[]> {
  const file = {
    async read(into: Uint8Array, position: number) {
      const part = start.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
  const range = { from: 0, to: start.length, legacyAllowed: true, chunkBytes: smallChunkBytes };
  for await (const tokens of readTokens(file, range)) return tokens;
  return [];
}

/** Whether these bytes are no more than the beginning of a header; or nothing, where a sector was never written. */
function isBegun(start: Buffer): boolean {
  const [text = ""] = start.toString("latin1", 0, 7).split("\0");
  return text === "" ? start.subarray(0, 512).every((byte) => byte === 0) : "!kvlab ".startsWith(text);
}

/** Whether a log with one of these headers is a rewritten one with the other. */
function isSame(a: LogIdentity, b: LogIdentity): boolean {
  return a.group === b.group && a.number === b.number && a.storeId === b.storeId;
}

function describe({ group, number, storeId }: LogIdentity): string {
  return `node ${number} of group "${group}" (store ${storeId})`;
}
