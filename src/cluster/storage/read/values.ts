import type { SharedFile } from "../disk/shared-file.ts";
import { LogStoreError } from "../errors.ts";
import { parseEntry, toChange } from "../format/entry.ts";
import { readTokens } from "../format/log-reader.ts";
import { contentBytes, toLogRecord } from "../format/record.ts";
import type { RecordToken } from "../format/token.ts";
import type { EntryPlace } from "../index/key-index.ts";
import type { StoredValue } from "../key-view.ts";
import type { Change, LogRecord } from "../model.ts";
import type { LogState } from "../state.ts";

/** Of a read of a few records: no more than the distance of two offsetIndex and what is asked for. */
const readChunkBytes = 128 * 1024;

/** Where a value stands. It can be read for as long as somebody uses the file. */
export interface PlacedValue extends EntryPlace {
  readonly file: SharedFile;
  readonly key: string;
  readonly expiresMs: number | undefined;
  /** Whether the original program may have written it. */
  readonly legacyAllowed: boolean;
}

/** Where the visible value of a key stands. */
export function placeValue({ live, file, legacySeq }: LogState, key: string): PlacedValue | undefined {
  const place = live.index.placeOf(key);
  if (place === undefined) return undefined;
  const expiresMs = live.index.factsOf(key)?.expiresMs;
  return { ...place, file, key, expiresMs, legacyAllowed: place.seq <= legacySeq };
}

/** The visible value of a key as it is in this turn, whatever happens to the log while it is read. */
export async function readValue(state: LogState, key: string): Promise<StoredValue | undefined> {
  return await valueLater(state, key)?.();
}

/** See `KeyView.valueLater`. */
export function valueLater(
  state: LogState,
  key: string,
): (() => Promise<StoredValue | undefined>) | undefined {
  const place = placeValue(state, key);
  if (place === undefined) return undefined;
  return async () => {
    const recent = state.recent.at(place.seq)?.record.changes.find((change) => change.key === key);
    if (recent !== undefined) return toStored(recent, place.seq);
    // In a file that has been replaced since, it stands elsewhere, if at all.
    return place.file === state.file ? await readPlaced(place, state.options.dbfile) : undefined;
  };
}

export async function readPlaced(place: PlacedValue, dbfile: string): Promise<StoredValue> {
  const { file, key, seq, offset, bytes, legacyAllowed } = place;
  file.use();
  try {
    const buffer = Buffer.allocUnsafe(bytes);
    const read = await file.file.read(buffer, offset);
    const change = read < bytes ? undefined : parseAt(buffer, seq, legacyAllowed);
    if (change?.kind !== "put" || change.key !== key) {
      throw new LogStoreError("damaged", `record ${seq} of ${dbfile} has become unreadable (byte ${offset})`);
    }
    return toStored(change, seq);
  } finally {
    await file.release();
  }
}

/** The change whose entry fills the buffer. */
function parseAt(buffer: Buffer, seq: number, legacyAllowed: boolean): Change | undefined {
  const keyEnd = buffer.indexOf(10);
  const valueEnd = buffer.indexOf(10, keyEnd + 1);
  const end = buffer.length - 1;
  if (keyEnd < 0 || valueEnd < 0 || buffer[end] !== 10) return undefined;
  const entry = parseEntry(buffer, 0, keyEnd, valueEnd, end, legacyAllowed);
  if (entry.kind === "parse-error" || (!entry.legacy && entry.seq !== seq)) return undefined;
  return toChange(buffer, entry);
}

function toStored({ value, text, expiresMs }: Change, revision: number): StoredValue {
  return { value, text, revision, ...(expiresMs === undefined ? {} : { expiresMs }) };
}

/** See `LogHistory.read`. */
export async function readRecords(
  state: LogState,
  afterSeq: number,
  maxBytes: number,
): Promise<LogRecord[] | undefined> {
  if (afterSeq < state.base.seq) return undefined;
  const records: LogRecord[] = [];
  let bytes = 0;
  /** Returns whether there is room for more. */
  const add = (record: LogRecord): boolean => {
    records.push(record);
    bytes += contentBytes(record);
    return bytes < maxBytes;
  };
  if (afterSeq >= state.recent.firstSeq - 1) {
    for (let seq = afterSeq + 1; seq <= state.written.seq; seq++) {
      const placed = state.recent.at(seq);
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

/** Records on disk from a little before `seq` on. */
async function* placedRecords(
  state: LogState,
  fromSeq: number,
): AsyncGenerator<{ token: RecordToken; seq: number }, void, void> {
  const { file, endBytes, legacySeq, options } = state;
  const found = state.offsetIndex.find(fromSeq);
  if (found === undefined) throw new Error(`no record at or before ${fromSeq} is known`);
  let { seq } = found;
  file.use();
  try {
    const legacyAllowed = seq <= legacySeq;
    const range = { from: found.offset, to: endBytes, legacyAllowed, chunkBytes: readChunkBytes };
    for await (const tokens of readTokens(file.file, range)) {
      for (const token of tokens) {
        if (token.kind === "control") continue;
        if (token.kind === "bad" || (!token.record.legacy && token.record.seq !== seq)) {
          // A damaged log can be read up to its damage.
          if (state.condition.kind === "damaged") return;
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
