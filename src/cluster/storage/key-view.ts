import type { LogHistory } from "./log-history.ts";
import type { LogRecord, Moves, Position } from "./model.ts";
import type { Accepted } from "./move-history.ts";

/**
 * The keys of a log, for those who decide writes and answer reads, scans and watches. A record is visible when it is on
 * disk and committed; everything found on opening is visible from the start.
 *
 * Seqs count the records of this log. Revisions are what clients see: those of own records rise with the seqs, and are
 * the seqs until the group accepts keys of another one; copies keep the revisions of the group that they came from.
 */
export interface KeyView extends LogHistory {
  /** The last visible record. */
  readonly visible: Position;

  /** The revision of `last`: see `revisionOf`. */
  readonly lastRevision: number;

  /** No record up to `last` with a higher revision changes keys of this group, answers a request, or accepts keys. */
  readonly changedRevision: number;

  /** What the releases and accepts up to `last`, visible or not, say under their highest ring change. */
  readonly moves: Moves;

  /** Whether keys of another group have been copied here since the log was opened, or are here. */
  readonly hasCopies: boolean;

  /**
   * The last seq before keys were first accepted in this ring change or a later one; before the base if that is not known
   * any more. Undefined: none were.
   */
  beforeAccept(change: number): number | undefined;

  /** What was accepted in this ring change or later ones, by records up to `seq`, in their order. */
  acceptedSince(change: number, seq: number): readonly Accepted[];

  /** The own revision of the record `seq`. Rises with `seq`. For a copy it is not the revision of its keys. */
  revisionOf(seq: number): number;

  /** The last seq whose own revision is at most this; above `last.seq` for a revision that the log does not reach. */
  seqAt(revision: number): number;

  /**
   * Calls `listener` with each record in the turn in which it becomes visible, just before it does: `get` still finds
   * the values that the record replaces. Returns how to end that.
   */
  onVisible(listener: (record: LogRecord) => void): () => void;

  /** The visible value of a key, as it is in this turn. Reads the disk: may take a moment. */
  get(key: string): Promise<StoredValue | undefined>;

  /** As `get`, at once. "on disk": only `get` can read the value, since it may have to wait for the disk. */
  getNow(key: string): StoredValue | "no value" | "on disk";

  /** `seq` of the record that put the visible value of a key. Undefined when it has none. */
  seqOf(key: string): number | undefined;

  /** The value that is visible now, to be read when it may have been replaced. Undefined when the key has no value. */
  valueLater(key: string): LaterValue | undefined;

  /**
   * Opens a reader over the visible keys of a range as they are in this turn, whatever is written meanwhile. The cost
   * follows what is read. Every reader must be closed. Errors: LogStoreError `overrun` (too many readers).
   */
  openScan(range: KeyRange): ScanReader;

  /** What a key will be once everything up to `last` is visible; undefined when it will not exist. */
  pendingFacts(key: string): KeyFacts | undefined;

  /** Visible keys, of a range if one is given, that expire up to `nowMs`: at most `max`, in the order of their bytes. */
  expired(nowMs: number, max: number, range?: KeyRange): string[];

  /** The record, visible or not, that answers a request, if it is remembered. */
  requestOf(requestId: string): RecordedRequest | undefined;

  /**
   * The requests of all records with a higher revision are known, own ones and accepted copies: at least the last 100,000.
   * At most `lastRevision`.
   */
  readonly requestsAfter: number;
}

/** A record that answers a request. */
export interface RecordedRequest {
  /** Its place in this log: it may have to be waited for. */
  readonly seq: number;
  /** The answer; of a copy that of the group which has answered first. */
  readonly revision: number;
}

/** A value that can be read later. */
export interface LaterValue {
  /** `seq` of the record that put it. */
  readonly seq: number;
  readonly revision: number;
  /** Resolves to undefined once a rewrite of the log has moved or removed it. */
  read(): Promise<StoredValue | undefined>;
}

export interface StoredValue {
  readonly value: Uint8Array;
  readonly text: boolean;
  /** When the key expires, in milliseconds since 1970. Undefined: never. */
  readonly expiresMs?: number | undefined;
  /** Of the record that put the value; of a copy that of the group which it came from. */
  readonly revision: number;
}

/** What is known of a key without reading its value. */
export interface KeyFacts {
  /** `seq` of the record that put the value. */
  readonly seq: number;
  /** See `StoredValue.revision`. */
  readonly revision: number;
  readonly expiresMs: number | undefined;
}

/** The keys that satisfy everything that is set, in the order of their UTF-8 bytes. */
export interface KeyRange {
  readonly prefix?: string | undefined;
  /** The first key. */
  readonly start?: string | undefined;
  /** The first key that is not in the range any more. */
  readonly end?: string | undefined;
  /** The range begins behind this key: above it, or below it in reverse. */
  readonly after?: string | undefined;
  /** From the last key to the first. */
  readonly reverse?: boolean | undefined;
}

/** One key of a scan. */
export interface ScannedKey extends Omit<KeyFacts, "seq"> {
  readonly key: string;
}

/** One key of a scan with its value. */
export interface ScannedEntry extends StoredValue {
  readonly key: string;
}

/** How much to take of a scan at once. */
export interface ScanStep {
  readonly keysMax: number;
  /** Of the entries in the log, which are somewhat longer than keys and values. A single entry may be longer. */
  readonly bytesMax: number;
}

/**
 * Errors of both kinds of steps: LogStoreError `overrun` (more was written meanwhile than can be kept apart), `closed`,
 * `superseded` (another log has taken the place of this one).
 */
export interface ScanReader {
  /** The moment that the scan shows. */
  readonly at: Position;
  /** The revision of that: see `KeyView.revisionOf`. */
  readonly revision: number;
  /** The next keys in their order, at most `max`; none at the end. */
  nextKeys(max: number): ScannedKey[];
  /** The next keys in their order, with their values; none at the end. Reads the disk. One call at a time. */
  nextEntries(step: ScanStep): Promise<ScannedEntry[]>;
  close(): Promise<void>;
}
