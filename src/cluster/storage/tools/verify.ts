import type { Disk, DiskFile } from "../disk/disk.ts";
import { LogFileError } from "../errors.ts";
import { type Damage, IntegrityChecker } from "../format/integrity.ts";
import { readTokens, wholeFile } from "../format/log-reader.ts";
import { takeChanges } from "../index/found-changes.ts";
import { KeyIndex } from "../index/key-index.ts";
import type { EpochStart, LogCondition, LogIdentity, Moves, Position } from "../model.ts";

/** The content and condition of a log file. */
export interface LogReport {
  readonly fileBytes: number;
  readonly condition: LogCondition;
  /** Undefined for a log of the original program, a log that no node has used yet, and a log whose header is bad. */
  readonly identity: LogIdentity | undefined;
  /** Good records, before and after damage. */
  readonly records: number;
  /** How many of them the original program wrote. */
  readonly legacyRecords: number;
  /** Keys that have a value, judged by the good records. */
  readonly liveKeys: number;
  /** Bytes of good records and lines that a compaction would drop. */
  readonly garbageBytes: number;
  readonly base: Position;
  readonly last: Position;
  readonly epochs: readonly EpochStart[];
  readonly promisedEpoch: number;
  /** Own revision of the last record: see `KeyView.revisionOf`. */
  readonly lastRevision: number;
  /** What the log says of moves under the last ring change that it names. Undefined: nothing. */
  readonly moves: ReportedMoves | undefined;
  /** The first 1000 of them. */
  readonly damages: readonly Damage[];
  readonly damageCount: number;
}

/** See `Moves`. */
export interface ReportedMoves {
  readonly change: number;
  readonly released: readonly string[];
  readonly accepted: readonly { readonly from: string; readonly revision: number }[];
}

/** Reads a whole log file and changes nothing. A node may be using the file. Errors: LogFileError. */
export async function verifyLog(disk: Disk, path: string): Promise<LogReport> {
  const file = await openForReading(disk, path);
  try {
    return await survey(file, await file.size(), path);
  } catch (error) {
    throw LogFileError.from(path, "read it", error);
  } finally {
    await file.close();
  }
}

async function survey(file: DiskFile, fileBytes: number, path: string): Promise<LogReport> {
  const checker = new IntegrityChecker(path);
  const index = new KeyIndex();
  let records = 0;
  let legacyRecords = 0;
  let goodBytes = 0;
  for await (const tokens of readTokens(file, wholeFile(fileBytes))) {
    for (const token of tokens) {
      if (!checker.take(token)) continue;
      goodBytes += token.bytes;
      if (token.kind !== "record") continue;
      records++;
      if (token.record.legacy) legacyRecords++;
      takeChanges(index, token, checker.order.seq);
    }
  }
  await checker.end(file, fileBytes);
  const { order, condition, damages, damageCount } = checker;
  const { identity, frameBytes } = order;
  const { base, last, epochs, moves, promisedEpoch } = condition.kind === "torn" ? checker.standing : order;
  return {
    fileBytes,
    condition,
    identity,
    records,
    legacyRecords,
    liveKeys: index.size,
    garbageBytes: goodBytes - frameBytes - index.liveBytes,
    base,
    last,
    epochs,
    promisedEpoch,
    lastRevision: moves.revisionOf(last.seq),
    moves: moves.moves.change === 0 ? undefined : reported(moves.moves),
    damages,
    damageCount,
  };
}

function reported({ change, released, accepted }: Moves): ReportedMoves {
  return {
    change,
    released: [...released],
    accepted: [...accepted].map(([from, revision]) => ({ from, revision })),
  };
}

/** Errors: LogFileError. */
export async function openForReading(disk: Disk, path: string): Promise<DiskFile> {
  try {
    const entry = await disk.look(path);
    if (entry?.kind === "directory") throw new LogFileError(path, "is a directory; it must be a log file");
    return await disk.open(path, "read");
  } catch (error) {
    throw LogFileError.from(path, "read it", error);
  }
}
