import { messageOf } from "../../../common/message-of.ts";
import type { DiskFile } from "../disk/disk.ts";
import type { Header } from "../format/control-line.ts";
import { readTokens } from "../format/log-reader.ts";
import { RecordOrder } from "../format/record-order.ts";
import { extendChecksum } from "../format/running-checksum.ts";
import { KeyIndex } from "../index/key-index.ts";
import { OffsetIndex } from "../index/offset-index.ts";
import { RequestTable } from "../index/request-table.ts";
import { type LoadedLog, LogTables } from "../load.ts";
import { MoveHistory } from "../move-history.ts";
import type { LogSettings } from "../options.ts";
import {
  type IndexBegin,
  type IndexEnd,
  indexPaths,
  type OffsetList,
  type RequestList,
  takeKeyRows,
} from "./contents.ts";
import { frameKinds, IndexFileError, readFrames } from "./frames.ts";

const chunkBytes = 1024 * 1024;

/**
 * Loads a log by its index file: reads that, goes over the part of the log that it stands for by checksum only, and
 * reads the records behind. Undefined when there is no index file, or it does not fit, or anything is unusual about the
 * log: then the log must be read whole, and says what it is. Of an intact log both ways make the same.
 */
export async function loadByIndex(
  options: LogSettings,
  log: DiskFile,
  fileId: string | undefined,
): Promise<LoadedLog | undefined> {
  const { disk, dbfile } = options;
  const { path } = indexPaths(dbfile);
  try {
    if ((await disk.look(path)) === undefined) return undefined;
    const index = await readIndex(options, { path, fileId, logBytes: await log.size() });
    return await loadBehind(log, index);
  } catch (error) {
    options.log(`${path} is not used: ${messageOf(error)}; all of ${dbfile} is read`);
    return undefined;
  }
}

/** What an index file says. */
interface IndexContents {
  readonly begin: IndexBegin;
  readonly end: IndexEnd;
  readonly tables: LogTables;
  readonly indexBytes: number;
}

interface Expected {
  readonly path: string;
  /** Of the log's file. */
  readonly fileId: string | undefined;
  readonly logBytes: number;
}

/** Reads the file at `path`. Errors: IndexFileError (it is not whole, or of another log), those of the disk. */
async function readIndex({ disk, requestsMax }: LogSettings, expected: Expected): Promise<IndexContents> {
  const file = await disk.open(expected.path, "read");
  try {
    let begin: IndexBegin | undefined;
    let end: IndexEnd | undefined;
    let tables: LogTables | undefined;
    const seqs: number[] = [];
    const offsets: number[] = [];
    for await (const { kind, content } of readFrames(file)) {
      if (end !== undefined) throw new IndexFileError("something stands behind its end");
      if (kind === frameKinds.begin) {
        begin = JSON.parse(content.toString()) as IndexBegin;
        checkBegin(begin, expected);
        const requests = new RequestTable(requestsMax);
        requests.forget(begin.forgotten);
        tables = new LogTables(requests, new KeyIndex(begin.keys), new OffsetIndex(seqs, offsets));
      } else if (kind === frameKinds.offsets) {
        for (const [seq, offset] of JSON.parse(content.toString()) as OffsetList) {
          seqs.push(seq);
          offsets.push(offset);
        }
      } else if (kind === frameKinds.requests) {
        for (const answered of JSON.parse(content.toString()) as RequestList) tables?.requests.add(answered);
      } else if (kind === frameKinds.keys) {
        if (tables !== undefined) takeKeyRows(content, tables.index);
      } else if (kind === frameKinds.end) end = JSON.parse(content.toString()) as IndexEnd;
      else throw new IndexFileError(`it has a frame of an unknown kind, ${kind}`);
    }
    if (begin === undefined || end === undefined || tables === undefined) {
      throw new IndexFileError("it has no end");
    }
    if (end.keys !== tables.index.size)
      throw new IndexFileError("it has another number of keys than it says");
    if (end.logBytes > expected.logBytes)
      throw new IndexFileError("the log is shorter than when it was made");
    return { begin, end, tables, indexBytes: await file.size() };
  } finally {
    await file.close();
  }
}

/** Before anything else is read for nothing. */
function checkBegin({ file, from }: IndexBegin, { fileId, logBytes }: Expected): void {
  if (file !== fileId) throw new IndexFileError("it was made for another file");
  if (from > logBytes) throw new IndexFileError("the log is shorter than when it was made");
}

/** Reads what stands behind the part of the log that the index stands for. */
async function loadBehind(log: DiskFile, index: IndexContents): Promise<LoadedLog> {
  const { begin, end, tables, indexBytes } = index;
  const endBytes = await log.size();
  const checksum = await checkLog(log, end, endBytes);
  const { identity, fileId } = await readHeader(log, endBytes);
  const order = RecordOrder.after({
    identity,
    fileId,
    life: begin.life === undefined ? undefined : BigInt(begin.life),
    base: begin.base,
    epoch: begin.at.epoch,
    seq: begin.at.seq,
    epochs: begin.epochs,
    moves: MoveHistory.fromJson(begin.moves),
    promisedEpoch: begin.promisedEpoch,
    frameBytes: begin.frameBytes,
  });
  const range = { from: begin.from, to: endBytes, legacyAllowed: false, chunkBytes };
  // What the index stands for had been synced when it was made.
  let lastWriteFrom = end.logBytes;
  for await (const tokens of readTokens(log, range)) {
    for (const token of tokens) {
      if (token.kind === "bad") throw notIntact(token.reason);
      const problem = order.take(token);
      if (problem !== undefined) throw notIntact(problem);
      if (token.offset >= end.logBytes) lastWriteFrom = token.offset - token.back;
      if (token.kind !== "record") continue;
      tables.note(token, order);
      tables.show(token, order);
    }
  }
  const { base, last, epochs, moves, promisedEpoch, life, frameBytes } = order;
  return {
    condition: { kind: "intact" },
    positions: { base, last, epochs, moves, promisedEpoch },
    keys: tables.keys,
    requests: tables.requests,
    pending: [],
    fileId,
    lastWriteFrom,
    facts: {
      endBytes,
      checksum,
      identity,
      life,
      hasLostHeader: false,
      damage: undefined,
      frameBytes,
      legacySeq: 0,
      offsets: tables.offsets,
      indexed: { logBytes: end.logBytes, indexBytes },
    },
  };
}

function notIntact(problem: string): IndexFileError {
  return new IndexFileError(`the log is not intact: ${problem}`);
}

/**
 * Checks that the log is the one that the index was made of, byte for byte, as far as that goes. This is what reading
 * it whole would find of damage, too. Returns the checksum of all of it.
 */
async function checkLog(
  log: DiskFile,
  { logBytes, logChecksum }: IndexEnd,
  endBytes: number,
): Promise<number> {
  const indexed = await checksumOf(log, 0, logBytes, 0);
  if (indexed !== logChecksum) throw new IndexFileError("the log is another one than when it was made");
  return await checksumOf(log, logBytes, endBytes, indexed);
}

/** Reads each part while the one before is gone over. */
async function checksumOf(file: DiskFile, from: number, to: number, before: number): Promise<number> {
  const buffers = [0, 1].map(() => Buffer.allocUnsafe(Math.min(chunkBytes, to - from)));
  let position = from;
  const readNext = async () => {
    const [buffer = Buffer.alloc(0)] = buffers;
    buffers.reverse();
    const part = buffer.subarray(0, to - position);
    position += part.length;
    if ((await file.read(part, position - part.length)) < part.length)
      throw new IndexFileError("the log has become shorter");
    return part;
  };
  let checksum = before;
  for (let part = await readNext(); part.length > 0; ) {
    const next = readNext();
    checksum = extendChecksum(checksum, part);
    part = await next;
  }
  return checksum;
}

async function readHeader(log: DiskFile, to: number): Promise<Header> {
  for await (const [first] of readTokens(log, { from: 0, to, legacyAllowed: false, chunkBytes: 4096 })) {
    if (first?.kind === "control" && first.control.kind === "header") return first.control;
    break;
  }
  throw new IndexFileError("the log has no header");
}
