import { LogStoreError } from "../errors.ts";
import { readTokens } from "../format/log-reader.ts";
import { contentBytes, toLogRecord } from "../format/record.ts";
import type { RecordToken } from "../format/token.ts";
import type { LogRecord } from "../model.ts";
import type { LogState } from "../state.ts";

/** For a read of a few records: no more than the distance of two entries of the offset index and what is asked for. */
const readChunkBytes = 128 * 1024;

/** See `LogHistory.read`. */
export async function readRecords(
  state: LogState,
  afterSeq: number,
  maxBytes: number,
): Promise<LogRecord[] | undefined> {
  const { positions, tail } = state;
  if (afterSeq < positions.base.seq) return undefined;
  const records: LogRecord[] = [];
  let bytes = 0;
  /** Returns whether there is room for more. */
  const add = (record: LogRecord): boolean => {
    records.push(record);
    bytes += contentBytes(record);
    return bytes < maxBytes;
  };
  if (afterSeq >= tail.firstSeq - 1) {
    for (let seq = afterSeq + 1; seq <= positions.written.seq; seq++) {
      const placed = tail.at(seq);
      if (placed === undefined || !add(placed.record)) break;
    }
    return records;
  }
  for await (const { token, seq } of placedRecords(state, afterSeq + 1)) {
    if (seq <= afterSeq) continue;
    if (!add(toLogRecord(token.window, token.record, { epoch: token.record.epoch, seq }))) break;
  }
  return records;
}

/** Where the record `seq`, which is on disk after the base, begins. */
export async function findRecord(state: LogState, wanted: number): Promise<number> {
  for await (const { token, seq } of placedRecords(state, wanted)) {
    if (seq === wanted) return token.offset;
  }
  throw new LogStoreError("damaged", `record ${wanted} of ${state.options.dbfile} is not where it was`);
}

/** Records on disk from a little before `fromSeq` on. */
async function* placedRecords(
  { file, options, health }: LogState,
  fromSeq: number,
): AsyncGenerator<{ token: RecordToken; seq: number }, void, void> {
  const found = file.offsets.find(fromSeq);
  if (found === undefined) throw new Error(`no record at or before ${fromSeq} is known`);
  let { seq } = found;
  file.use();
  try {
    const legacyAllowed = seq <= file.legacySeq;
    const range = { from: found.offset, to: file.endBytes, legacyAllowed, chunkBytes: readChunkBytes };
    for await (const tokens of readTokens(file.file, range)) {
      for (const token of tokens) {
        if (token.kind === "control") continue;
        if (token.kind === "bad" || (!token.record.legacy && token.record.seq !== seq)) {
          // A damaged log can be read up to its damage.
          if (health.isDamaged) return;
          throw new LogStoreError("damaged", `record ${seq} of ${options.dbfile} has become unreadable`);
        }
        yield { token, seq };
        seq++;
      }
    }
  } finally {
    await file.release();
  }
}
