import type { LogRecord, MoveSummary } from "../model.ts";
import { copiedRevisionOf, type MoveHistory } from "../move-history.ts";
import { Column, SmallColumn } from "./column.ts";
import { encodeKey } from "./key-bytes.ts";
import { KeySlots } from "./key-slots.ts";

export interface Answered {
  readonly id: string;
  readonly seq: number;
  /** Of a copy: the revision of the record that it was copied from; 0: it is none. */
  readonly copiedRevision: number;
}

/** What a log has forgotten of requests, up to some record. */
export interface ForgottenRequests extends Pick<MoveSummary, "forgottenSeq" | "copiedAfter"> {
  /** See `KeyView.requestsAfter`. */
  readonly requestsAfter: number;
}

/** What a base line or the head of a snapshot says of forgotten requests. */
export function forgottenIn(said: {
  readonly requestsAfter: number;
  readonly moves?: MoveSummary | undefined;
}): ForgottenRequests {
  // Without moves, seqs and revisions are the same.
  const { requestsAfter, moves = { forgottenSeq: requestsAfter, copiedAfter: 0 } } = said;
  return { requestsAfter, forgottenSeq: moves.forgottenSeq, copiedAfter: moves.copiedAfter };
}

/** What stands for the records up to `seq`, of a log that has these moves and has forgotten these requests. */
export function summaryAt(
  seq: number,
  moves: MoveHistory,
  { requestsAfter, forgottenSeq, copiedAfter }: ForgottenRequests,
): { readonly requestsAfter: number; readonly moves: MoveSummary | undefined } {
  const upTo = moves.upTo(seq);
  const forgotten = {
    requestsAfter: Math.min(requestsAfter, upTo.revisionOf(seq)),
    forgottenSeq: Math.min(forgottenSeq, seq),
    copiedAfter,
  };
  const isPlain = upTo.isEmpty && copiedAfter === 0 && forgotten.forgottenSeq === forgotten.requestsAfter;
  return { requestsAfter: forgotten.requestsAfter, moves: isPlain ? undefined : upTo.summary(forgotten) };
}

/** Some requests in the order of their seqs, as an array of them would be. */
export interface AnsweredList {
  readonly length: number;
  slice(from: number, to: number): Answered[];
}

/**
 * The newest requests that records answer, by their id. Those of records up to some seq are forgotten, own ones and those
 * of copies alike.
 *
 * A request that nobody remembers must not be taken for a new one, so whoever asks for it names a revision before it. What
 * is forgotten of copies counts for that only as far as an `accept` record has come: before that nobody asks this group for
 * it, and its revisions may be above all of the group's own, so that no request at all could be taken.
 *
 * Nothing of it is an object for each request: those of 100,000 would be most of what the garbage collector has to look at
 * on a primary with few keys.
 */
export class RequestTable {
  readonly #max: number;
  readonly #ids = new KeySlots();
  /** By slot of an id: the number of the last request with it. */
  readonly #newest = new Column();
  /** Requests have numbers from 1 on, in the order of their seqs. Those before the first have been forgotten. */
  #first = 1;
  #end = 1;
  /** By number modulo `#max`, as all that follow, the slot of the id. */
  readonly #slots = new SmallColumn();
  readonly #seqs = new Column();
  readonly #copiedRevisions = new Column();
  /** The number of the request before with the same id; 0: there was none. */
  readonly #before = new Column();
  #forgottenSeq = 0;
  #copiedAfter = 0;
  /** What else is forgotten, as a revision. */
  #after = 0;

  /** Remembers at most `max`, which is 1 or more. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Of a log with these moves. */
  forgotten(moves: MoveHistory): ForgottenRequests {
    const ownAfter = moves.revisionOf(this.#forgottenSeq);
    const acceptedAfter = Math.min(this.#copiedAfter, moves.acceptRevision);
    return {
      requestsAfter: Math.max(this.#after, ownAfter, acceptedAfter),
      forgottenSeq: this.#forgottenSeq,
      copiedAfter: this.#copiedAfter,
    };
  }

  find(id: string): Omit<Answered, "id"> | undefined {
    const slot = this.#ids.find(encodeKey(id));
    if (slot === undefined) return undefined;
    const at = this.#newest.get(slot) % this.#max;
    return { seq: this.#seqs.get(at), copiedRevision: this.#copiedRevisions.get(at) };
  }

  /** Those that are known now, up to `seq`, whatever becomes of the table. */
  upTo(seq: number): AnsweredList {
    const first = this.#first;
    let end = this.#end;
    while (end > first && this.#seqOf(end - 1) > seq) end--;
    const keyAt = this.#ids.keysNow();
    const [slots, seqs, copiedRevisions] = [
      this.#slots.copy(),
      this.#seqs.copy(),
      this.#copiedRevisions.copy(),
    ];
    const answered = (number: number): Answered => {
      const at = number % this.#max;
      return { id: keyAt(slots.get(at)), seq: seqs.get(at), copiedRevision: copiedRevisions.get(at) };
    };
    return {
      length: end - first,
      slice: (from, to) => {
        const length = Math.max(0, Math.min(first + to, end) - (first + from));
        return Array.from({ length }, (_, index) => answered(first + from + index));
      },
    };
  }

  /** Takes note of the record `seq`; these must come with rising seqs. */
  note({ requestId, move }: Pick<LogRecord, "requestId" | "move">, seq: number): void {
    if (move?.kind === "accept") this.#after = Math.max(this.#after, move.requestsAfter);
    if (requestId !== undefined) this.add({ id: requestId, seq, copiedRevision: copiedRevisionOf(move) });
  }

  /** Adds a request with a higher seq than those before. */
  add({ id, seq, copiedRevision }: Answered): void {
    if (seq <= this.#forgottenSeq) return;
    if (this.#end - this.#first === this.#max) this.#forgetOldest();
    const at = this.#end % this.#max;
    const slot = this.#ids.obtain(encodeKey(id));
    this.#slots.set(at, slot);
    this.#seqs.set(at, seq);
    this.#copiedRevisions.set(at, copiedRevision);
    this.#before.set(at, this.#newest.get(slot));
    this.#newest.set(slot, this.#end);
    this.#end++;
  }

  /** Forgets what another has forgotten that began with the same records. */
  forget({ requestsAfter, forgottenSeq, copiedAfter }: ForgottenRequests): void {
    while (this.#first < this.#end && this.#seqOf(this.#first) <= forgottenSeq) this.#forgetOldest();
    this.#forgottenSeq = Math.max(this.#forgottenSeq, forgottenSeq);
    this.#copiedAfter = Math.max(this.#copiedAfter, copiedAfter);
    this.#after = Math.max(this.#after, requestsAfter);
  }

  /** Drops those after `seq`, which has this revision. */
  truncate(seq: number, revision: number): void {
    while (this.#first < this.#end && this.#seqOf(this.#end - 1) > seq) this.#dropNewest();
    this.#forgottenSeq = Math.min(this.#forgottenSeq, seq);
    this.#after = Math.min(this.#after, revision);
  }

  #seqOf(number: number): number {
    return this.#seqs.get(number % this.#max);
  }

  #forgetOldest(): void {
    const at = this.#first % this.#max;
    const slot = this.#slots.get(at);
    // An id that has come twice belongs to the later request.
    if (this.#newest.get(slot) === this.#first) this.#remove(slot);
    this.#forgottenSeq = this.#seqs.get(at);
    this.#copiedAfter = Math.max(this.#copiedAfter, this.#copiedRevisions.get(at));
    this.#first++;
  }

  #dropNewest(): void {
    this.#end--;
    const at = this.#end % this.#max;
    const slot = this.#slots.get(at);
    const before = this.#before.get(at);
    if (before >= this.#first) this.#newest.set(slot, before);
    else this.#remove(slot);
  }

  #remove(slot: number): void {
    this.#newest.set(slot, 0);
    this.#ids.delete(slot);
  }
}
