import { basename, dirname } from "node:path";
import type { Disk, DiskFile } from "../disk/disk.ts";
import { formatControlLine } from "../format/control-line.ts";
import { smallChunkBytes } from "../format/log-reader.ts";
import { summaryAt } from "../index/request-table.ts";
import type { EpochStart, Position } from "../model.ts";
import type { MoveHistory } from "../move-history.ts";
import type { LogSettings } from "../options.ts";
import { WriteBuffer } from "../write/write-buffer.ts";

/**
 * What is cut off a log stays in a file beside it, `<dbfile>.cut-<number>`, the newest with the highest number. Of
 * these the newest 8 are kept, while they have 64 MiB together; the newest one in any case.
 */
const filesMax = 8;
export const bytesMax = 64 * 1024 * 1024;

/** The name of the next one. */
export async function nameForKept(disk: Disk, path: string): Promise<string> {
  const [newest = 0] = await numbersOf(disk, path);
  return keptName(path, newest + 1);
}

/** Bytes of a log's file that are going to be no part of it any more. */
interface CutPart {
  readonly file: DiskFile;
  readonly from: number;
  readonly to: number;
  /** The last record before them, and the epochs up to there. */
  readonly after: Position;
  readonly epochs: readonly EpochStart[];
  readonly moves: MoveHistory;
}

/** Copies the part durably to a file beside the log, in the form of a log, and says so. `why` ends "cut off". */
export async function keepBeside(options: LogSettings, part: CutPart, why: string): Promise<void> {
  const { disk, dbfile, log } = options;
  const { file, from, to, after } = part;
  const name = await nameForKept(disk, dbfile);
  const target = await disk.open(name, "create", dbfile);
  try {
    const buffer = new WriteBuffer(target);
    // A whole log has a header of its own.
    if (from > 0) buffer.addLine(headFor(part));
    for (let at = from; at < to; at += smallChunkBytes) {
      const chunk = Buffer.alloc(Math.min(smallChunkBytes, to - at));
      await file.read(chunk, at);
      buffer.addBytes(chunk);
      await buffer.flush();
    }
    await buffer.flush();
    await target.datasync();
  } catch (error) {
    await disk.remove(name);
    throw error;
  } finally {
    await target.close();
  }
  await disk.syncDirectory(name);
  log(
    `${dbfile}: ${to - from} bytes after record ${after.epoch}.${after.seq} are cut off ${why}; they are kept in ${name}`,
  );
  await removeOlder(options);
}

function headFor({ after: base, epochs, moves }: CutPart): string {
  const header = formatControlLine({ kind: "header", identity: undefined, snapshot: true });
  return (
    header +
    formatControlLine({
      kind: "base",
      base,
      records: 0,
      epochs: epochs.filter(({ firstSeq }) => firstSeq <= base.seq),
      promisedEpoch: base.epoch,
      ...summaryAt(base.seq, moves, { requestsAfter: 0, forgottenSeq: 0, copiedAfter: 0 }),
    })
  );
}

async function removeOlder({ disk, dbfile, log }: LogSettings): Promise<void> {
  let bytes = 0;
  for (const [index, number] of (await numbersOf(disk, dbfile)).entries()) {
    const name = keptName(dbfile, number);
    bytes += (await disk.look(name))?.bytes ?? 0;
    if (index === 0 || (index < filesMax && bytes <= bytesMax)) continue;
    await disk.remove(name);
    log(`${name} is removed: newer ones are there`);
  }
}

function keptName(path: string, number: number): string {
  return `${path}.cut-${number}`;
}

/** The highest first. */
async function numbersOf(disk: Disk, path: string): Promise<number[]> {
  const prefix = basename(keptName(path, 0)).slice(0, -1);
  const numbers = (await disk.list(dirname(path))).flatMap((name) => {
    const digits = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    return /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : [];
  });
  return numbers.sort((a, b) => b - a);
}
