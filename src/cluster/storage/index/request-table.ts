import type { LogRecord, MoveSummary } from "../model.ts";
import { copiedRevisionOf, type MoveHistory } from "../move-history.ts";

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

/**
 * The newest requests that records answer, by their id. Those of records up to some seq are forgotten, own ones and those
 * of copies alike.
 *
 * A request that nobody remembers must not be taken for a new one, so whoever asks for it names a revision before it. What
 * is forgotten of copies counts for that only as far as an `accept` record has come: before that nobody asks this group for
 * it, and its revisions may be above all of the group's own, so that no request at all could be taken.
 */
export class RequestTable {
  readonly #max: number;
  readonly #byId = new Map<string, Answered>();
  /** In the order of their seqs. Those before the head have been forgotten; the array is made shorter from time to time. */
  #answered: Answered[] = [];
  #head = 0;
  #forgottenSeq = 0;
  #copiedAfter = 0;
  /** What else is forgotten, as a revision. */
  #after = 0;

  /** Remembers at most `max`. */
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

  find(id: string): Answered | undefined {
    return this.#byId.get(id);
  }

  /** Those that are known, up to `seq`, in their order. */
  upTo(seq: number): Answered[] {
    const later = this.#answered.findLastIndex((answered) => answered.seq <= seq) + 1;
    return this.#answered.slice(this.#head, later);
  }

  /** Takes note of the record `seq`; these must come with rising seqs. */
  note({ requestId, move }: Pick<LogRecord, "requestId" | "move">, seq: number): void {
    if (move?.kind === "accept") this.#after = Math.max(this.#after, move.requestsAfter);
    if (requestId !== undefined) this.add({ id: requestId, seq, copiedRevision: copiedRevisionOf(move) });
  }

  /** Adds a request with a higher seq than those before. */
  add(answered: Answered): void {
    if (answered.seq <= this.#forgottenSeq) return;
    this.#byId.set(answered.id, answered);
    this.#answered.push(answered);
    while (this.#answered.length - this.#head > this.#max) this.#forgetOldest();
  }

  /** Forgets what another has forgotten that began with the same records. */
  forget({ requestsAfter, forgottenSeq, copiedAfter }: ForgottenRequests): void {
    while ((this.#answered[this.#head]?.seq ?? Number.POSITIVE_INFINITY) <= forgottenSeq)
      this.#forgetOldest();
    this.#forgottenSeq = Math.max(this.#forgottenSeq, forgottenSeq);
    this.#copiedAfter = Math.max(this.#copiedAfter, copiedAfter);
    this.#after = Math.max(this.#after, requestsAfter);
  }

  /** Drops those after `seq`, which has this revision. */
  truncate(seq: number, revision: number): void {
    for (
      let last = this.#answered.at(-1);
      last !== undefined && last.seq > seq;
      last = this.#answered.at(-1)
    ) {
      if (this.#answered.length === this.#head) break;
      this.#drop(last);
      this.#answered.pop();
    }
    this.#forgottenSeq = Math.min(this.#forgottenSeq, seq);
    this.#after = Math.min(this.#after, revision);
  }

  #forgetOldest(): void {
    const oldest = this.#answered[this.#head];
    if (oldest === undefined) return;
    this.#drop(oldest);
    this.#forgottenSeq = oldest.seq;
    this.#copiedAfter = Math.max(this.#copiedAfter, oldest.copiedRevision);
    this.#head++;
    if (this.#head < 1024 || this.#head * 2 < this.#answered.length) return;
    this.#answered = this.#answered.slice(this.#head);
    this.#head = 0;
  }

  /** An id that has come twice belongs to the later record. */
  #drop(answered: Answered): void {
    if (this.#byId.get(answered.id) === answered) this.#byId.delete(answered.id);
  }
}
