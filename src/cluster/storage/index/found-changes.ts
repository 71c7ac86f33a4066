import type { ParsedEntry } from "../format/entry.ts";
import type { RecordToken } from "../format/token.ts";
import { copiedRevisionOf } from "../move-history.ts";
import type { EntryPlace, KeyIndex } from "./key-index.ts";

/** Where an entry of a record that was found in a file stands. */
export function placeOf({ offset, start, record }: RecordToken, entry: ParsedEntry, seq: number): EntryPlace {
  const copiedRevision = copiedRevisionOf(record.move);
  return { seq, copiedRevision, offset: offset + entry.start - start, bytes: entry.end - entry.start };
}

/** Takes the changes of a record that was found in a file into an index of that. */
export function takeChanges(index: KeyIndex, token: RecordToken, seq: number): void {
  for (const entry of token.record.changes) {
    if (entry.kind === "put") index.set(entry.key, placeOf(token, entry, seq), entry.expiresMs);
    else index.delete(entry.key);
  }
}
