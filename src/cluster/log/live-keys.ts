import type { LogRecord } from "../log-store.ts";
import { KeyIndex } from "./key-index.ts";

/** Which keys have a value, visible or to come, and which records a rewriting must keep. */
export class LiveKeys {
  readonly index: KeyIndex;
  /** Visible deletions that may be asked for by `mayBeLive`, in their order: key to seq. */
  readonly #deletions: Map<string, number>;
  /** Last change of each key among the records that are not visible yet: its seq, negative for a delete. */
  readonly #changes = new Map<string, number>();

  constructor(index = new KeyIndex(), deletions = new Map<string, number>()) {
    this.index = index;
    this.#deletions = deletions;
  }

  /** Takes note of a record that is not visible yet. */
  note({ kind, key, seq }: LogRecord): void {
    if (kind !== "epoch") this.#changes.set(key, kind === "put" ? seq : -seq);
  }

  forgetNotes(): void {
    this.#changes.clear();
  }

  /** Makes a record visible. */
  apply({ kind, key, seq }: LogRecord, offset: number, bytes: number): void {
    if (kind === "epoch") return;
    if (Math.abs(this.#changes.get(key) ?? 0) === seq) this.#changes.delete(key);
    this.#deletions.delete(key);
    if (kind === "put") {
      this.index.set(key, seq, offset, bytes);
    } else {
      this.index.delete(key);
      this.#deletions.set(key, seq);
    }
  }

  /** Whether a key has a value once all noted records are visible. */
  willExist(key: string): boolean {
    const change = this.#changes.get(key);
    return change === undefined ? this.index.has(key) : change > 0;
  }

  /**
   * Whether a visible record up to `horizon` could be the last one of its key up to there. Never false for one that
   * is; true also for others when the key has changed after `horizon`, but then for all that follow of that key,
   * deletes too: who takes them all, in their order, ends up with what was there at `horizon`.
   */
  mayBeLive(key: string, seq: number, horizon: number): boolean {
    const liveSeq = this.index.seqOf(key);
    return liveSeq === seq || (liveSeq ?? this.#deletions.get(key) ?? 0) > horizon;
  }

  /** Forgets deletions up to `seq`: nobody will ask for a horizon before. */
  forgetDeletions(seq: number): void {
    for (const [key, deletedSeq] of this.#deletions) {
      if (deletedSeq > seq) break;
      this.#deletions.delete(key);
    }
  }
}
