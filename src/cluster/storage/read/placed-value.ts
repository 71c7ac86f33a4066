import { LogStoreError } from "../errors.ts";
import { parseEntry, toChange } from "../format/entry.ts";
import type { EntryPlace } from "../index/key-index.ts";
import type { StoredValue } from "../key-view.ts";
import type { LogFile } from "../log-file.ts";
import type { Change } from "../model.ts";

/** Where a value stands. It can be read for as long as somebody uses the file. */
export interface PlacedValue extends EntryPlace {
  readonly file: LogFile;
  readonly key: string;
  /** See `StoredValue.revision`. */
  readonly revision: number;
  readonly expiresMs: number | undefined;
}

/** Reads a value where it stands. `dbfile` is for errors. */
export async function readPlaced(place: PlacedValue, dbfile: string): Promise<StoredValue> {
  const found = readPlacedNow(place, dbfile);
  if (found !== undefined) return found;
  const { file, offset, bytes } = place;
  const buffer = Buffer.allocUnsafe(bytes);
  file.use();
  try {
    const read = await file.file.read(buffer, offset);
    return storedIn(buffer.subarray(0, read), place, dbfile);
  } finally {
    await file.release();
  }
}

/** As `readPlaced`, at once. Undefined when the disk may have to be waited for. */
export function readPlacedNow(place: PlacedValue, dbfile: string): StoredValue | undefined {
  const { file, offset, bytes } = place;
  const buffer = Buffer.allocUnsafe(bytes);
  return file.file.readNow?.(buffer, offset) ? storedIn(buffer, place, dbfile) : undefined;
}

/** The value whose entry was read, checked. Errors: LogStoreError `damaged`. */
export function storedIn(entry: Buffer, place: PlacedValue, dbfile: string): StoredValue {
  const { file, key, seq, revision, offset, bytes } = place;
  const change = entry.length < bytes ? undefined : changeIn(entry, seq, seq <= file.legacySeq);
  if (change?.kind === "put" && change.key === key) return toStored(change, revision);
  throw new LogStoreError("damaged", `record ${seq} of ${dbfile} has become unreadable (byte ${offset})`);
}

/** The change whose entry fills the buffer. */
function changeIn(buffer: Buffer, seq: number, legacyAllowed: boolean): Change | undefined {
  const keyEnd = buffer.indexOf(10);
  const valueEnd = buffer.indexOf(10, keyEnd + 1);
  const commitEnd = buffer.length - 1;
  if (keyEnd < 0 || valueEnd < 0 || buffer[commitEnd] !== 10) return undefined;
  const entry = parseEntry(buffer, { start: 0, keyEnd, valueEnd, commitEnd }, legacyAllowed);
  if (entry.kind === "parse-error" || (!entry.legacy && entry.seq !== seq)) return undefined;
  return toChange(buffer, entry);
}

/** What a put with this revision has stored. */
export function toStored({ value, text, expiresMs }: Change, revision: number): StoredValue {
  return { value, text, revision, ...(expiresMs === undefined ? {} : { expiresMs }) };
}
