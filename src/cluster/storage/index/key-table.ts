import { invariant } from "../../../common/invariant.ts";
import { compareKeys } from "../../../common/key-order.ts";
import type { KeyRange } from "../key-view.ts";
import type { Change, LogRecord } from "../model.ts";
import { copiedRevisionOf } from "../move-history.ts";
import { type EntryPlace, type IndexedFacts, KeyIndex } from "./key-index.ts";
import { KeyOrderSet } from "./key-order-set.ts";
import { boundsOf, isWithin } from "./key-range.ts";

/** What becomes of a key by a record that is not visible yet. */
interface ComingChange {
  readonly seq: number;
  /** Undefined when the key is removed. */
  readonly facts: IndexedFacts | undefined;
}

/** A log that is loaded may have a million: to forget them all would hold up everything else for long. */
const forgottenAtOnceMax = 10_000;

/** Which keys have a value, visible or to come, and which records a rewrite must keep. */
export class KeyTable {
  readonly index: KeyIndex;
  /** The keys of the index. */
  readonly order: KeyOrderSet<number>;
  /** Visible deletions that may be asked for by `mayBeLive`, in their order: key to seq. */
  readonly #deletions: Map<string, number>;
  /** Last change of each key among the records that are not visible yet. */
  readonly #coming = new Map<string, ComingChange>();
  /** Bytes in the file of records that are not visible yet. */
  #invisibleBytes = 0;
  /** Seqs that readers of a snapshot ask `mayBeLive` about. */
  readonly #horizons = new Set<{ readonly seq: number }>();

  constructor(index = new KeyIndex(), deletions = new Map<string, number>()) {
    this.index = index;
    this.order = new KeyOrderSet(index, index.sorted());
    this.#deletions = deletions;
  }

  get invisibleBytes(): number {
    return this.#invisibleBytes;
  }

  /** Bytes in the file of all entries with a visible value. */
  get liveBytes(): number {
    return this.index.liveBytes;
  }

  /** The entries of a record, not visible yet, are in the file. */
  addInvisible(entryBytes: readonly number[]): void {
    for (const bytes of entryBytes) this.#invisibleBytes += bytes;
  }

  /** A record that was in the file is visible now. */
  removeInvisible(entryBytes: readonly number[]): void {
    for (const bytes of entryBytes) this.#invisibleBytes -= bytes;
    invariant(this.#invisibleBytes >= 0, "more bytes have become visible than were in the file");
  }

  /** Takes note of a record that is not visible yet. */
  note({ changes, seq, move }: LogRecord): void {
    const copiedRevision = copiedRevisionOf(move);
    for (const { key, kind, expiresMs } of changes) {
      this.#coming.set(key, { seq, facts: kind === "put" ? { seq, copiedRevision, expiresMs } : undefined });
    }
  }

  forgetNotes(): void {
    this.#coming.clear();
  }

  /** Makes a change visible. */
  apply({ kind, key, expiresMs }: Omit<Change, "value">, place: EntryPlace): void {
    if (this.#coming.get(key)?.seq === place.seq) this.#coming.delete(key);
    this.#deletions.delete(key);
    if (kind === "put") {
      const slot = this.index.set(key, place, expiresMs);
      if (slot !== undefined) this.order.add(key, slot);
      else if (expiresMs !== undefined) this.order.expires(key, expiresMs);
    } else {
      // As long as the slots of all that the order has are those of their keys.
      this.order.delete(key);
      this.index.delete(key);
      this.#deletions.set(key, place.seq);
    }
  }

  /** Keys of a range, in its order whichever way it is read, that expire up to `nowMs`; at most `max`. */
  expired(nowMs: number, max: number, range: KeyRange): string[] {
    const found: string[] = [];
    const bounds = boundsOf(range);
    const { low, high } = bounds;
    for (const key of this.order.due(nowMs, low)) {
      if (found.length === max || (high !== undefined && compareKeys(key, high) >= 0)) break;
      if (isWithin(key, bounds)) found.push(key);
    }
    return found;
  }

  /** What a key is once all noted records are visible. */
  pendingFacts(key: string): IndexedFacts | undefined {
    const coming = this.#coming.get(key);
    return coming === undefined ? this.index.factsOf(key) : coming.facts;
  }

  /**
   * Whether a visible change up to `horizon` could be the last one of its key up to there. Never false for one that
   * is; true also for others when the key has changed after `horizon`, but then for all that follow of that key,
   * deletes too: who takes them all, in their order, ends up with what was there at `horizon`.
   */
  mayBeLive(key: string, seq: number, horizon: number): boolean {
    const liveSeq = this.index.seqOf(key);
    return liveSeq === seq || (liveSeq ?? this.#deletions.get(key) ?? 0) > horizon;
  }

  /** Keeps deletions after `seq` for `mayBeLive`, until the returned function is called. */
  keepDeletions(seq: number): () => void {
    const horizon = { seq };
    this.#horizons.add(horizon);
    return () => this.#horizons.delete(horizon);
  }

  /** Forgets deletions up to `seq`, some at a time: nobody will ask for a horizon before. */
  forgetDeletions(seq: number): void {
    let forgetSeq = seq;
    for (const horizon of this.#horizons) forgetSeq = Math.min(forgetSeq, horizon.seq);
    let forgotten = 0;
    for (const [key, deletedSeq] of this.#deletions) {
      if (deletedSeq > forgetSeq || forgotten === forgottenAtOnceMax) break;
      this.#deletions.delete(key);
      forgotten++;
    }
  }
}
