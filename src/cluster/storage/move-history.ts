import type { AheadStart, LogRecord, MoveMark, MoveSummary, Moves } from "./model.ts";

const noMoves: Moves = { change: 0, released: new Set(), accepted: new Map() };

/** What the log says of moves from a record on. */
interface MovesStart {
  readonly firstSeq: number;
  readonly moves: Moves;
  /** Whether it sums up records that the log does not have. */
  readonly isSummary?: boolean | undefined;
}

/** Keys that were accepted from another group. */
export interface Accepted {
  readonly from: string;
  /** Of the other group, when it took no more writes of them. */
  readonly revision: number;
  /** Id of the ring change. */
  readonly change: number;
  /** The last record before they were accepted. */
  readonly afterSeq: number;
}

/** A history as JSON can hold it. */
export interface MoveHistoryJson {
  readonly aheads: readonly AheadStart[];
  readonly starts: readonly {
    readonly firstSeq: number;
    readonly change: number;
    readonly released: readonly string[];
    readonly accepted: readonly (readonly [group: string, revision: number])[];
    readonly isSummary?: boolean | undefined;
  }[];
}

/** What the records of a log say of moves, and the revisions that follow from it. It never changes: each step makes another. */
export class MoveHistory {
  static readonly none = new MoveHistory([], []);
  /** All of the log, since keys may be older than its base. */
  readonly #aheads: readonly AheadStart[];
  /** From the base on. */
  readonly #starts: readonly MovesStart[];

  private constructor(aheads: readonly AheadStart[], starts: readonly MovesStart[]) {
    this.#aheads = aheads;
    this.#starts = starts;
  }

  /** The history of a log that begins with a summary of all records up to `seq`. */
  static after(seq: number, summary: MoveSummary | undefined): MoveHistory {
    if (summary === undefined) return MoveHistory.none;
    const { aheads, change, released, accepted } = summary;
    return new MoveHistory(
      [...aheads],
      [{ firstSeq: seq, moves: { change, released, accepted }, isSummary: true }],
    );
  }

  static fromJson({ aheads, starts }: MoveHistoryJson): MoveHistory {
    return new MoveHistory(
      aheads,
      starts.map(({ firstSeq, change, released, accepted, isSummary }) => ({
        firstSeq,
        isSummary,
        moves: { change, released: new Set(released), accepted: new Map(accepted) },
      })),
    );
  }

  toJSON(): MoveHistoryJson {
    const starts = this.#starts.map(({ firstSeq, moves: { change, released, accepted }, isSummary }) => {
      return { firstSeq, change, released: [...released], accepted: [...accepted], isSummary };
    });
    return { aheads: this.#aheads, starts };
  }

  /** After all records. */
  get moves(): Moves {
    return this.#starts.at(-1)?.moves ?? noMoves;
  }

  /** Revision of the last `accept` record; 0: there is none. */
  get acceptRevision(): number {
    const last = this.#aheads.at(-1);
    return last === undefined ? 0 : last.firstSeq + last.ahead;
  }

  /**
   * The last seq before keys were first accepted in this ring change or a later one. Undefined: none were. Where that is not
   * known, it is before the base.
   */
  beforeAccept(change: number): number | undefined {
    const start = this.#starts.find(
      ({ moves, isSummary }) => moves.change >= change && (moves.accepted.size > 0 || isSummary),
    );
    return start && start.firstSeq - 1;
  }

  /** What was accepted in this ring change or later ones, by records up to `seq`, in their order. */
  acceptedSince(change: number, seq: number): readonly Accepted[] {
    const accepted: Accepted[] = [];
    /** By group. */
    const last = new Map<string, number>();
    for (const { firstSeq, moves } of this.#starts) {
      if (moves.change < change || firstSeq > seq) continue;
      for (const [from, revision] of moves.accepted) {
        if (last.get(from) === revision) continue;
        last.set(from, revision);
        accepted.push({ from, revision, change: moves.change, afterSeq: firstSeq - 1 });
      }
    }
    return accepted;
  }

  /** With the next record. */
  with({ seq, move }: Pick<LogRecord, "seq" | "move">): MoveHistory {
    if (move === undefined || move.kind === "copy" || move.kind === "forget") return this;
    const starts = [...this.#starts, { firstSeq: seq, moves: marked(this.moves, move) }];
    if (move.kind === "release") return new MoveHistory(this.#aheads, starts);
    const ahead = Math.max(move.ahead, this.#aheads.at(-1)?.ahead ?? 0);
    return new MoveHistory([...this.#aheads, { firstSeq: seq, ahead }], starts);
  }

  /** Of the records up to `seq`, which is not before the base. */
  upTo(seq: number): MoveHistory {
    if (this.isEmpty) return this;
    const isKept = ({ firstSeq }: { readonly firstSeq: number }) => firstSeq <= seq;
    return new MoveHistory(this.#aheads.filter(isKept), this.#starts.filter(isKept));
  }

  /** What a log needs that does not have the records of this one. */
  summary({ forgottenSeq, copiedAfter }: Pick<MoveSummary, "forgottenSeq" | "copiedAfter">): MoveSummary {
    return { ...this.moves, aheads: this.#aheads, forgottenSeq, copiedAfter };
  }

  get isEmpty(): boolean {
    return this.#starts.length === 0 && this.#aheads.length === 0;
  }

  /** The revision of the record `seq`, unless that is a copy; of a copy the end of the log at it, as a watch tells it. */
  revisionOf(seq: number): number {
    const start = this.#aheads.findLast(({ firstSeq }) => firstSeq <= seq);
    return seq + (start?.ahead ?? 0);
  }

  /** The last seq whose own revision is at most `revision`, also of records that are still to come. */
  seqAt(revision: number): number {
    let endSeq = Number.POSITIVE_INFINITY;
    for (const { firstSeq, ahead } of this.#aheads.toReversed()) {
      if (revision >= firstSeq + ahead) return Math.min(revision - ahead, endSeq - 1);
      endSeq = firstSeq;
    }
    return Math.min(revision, endSeq - 1);
  }
}

/** Marks of an earlier ring change say nothing any more. */
function marked(before: Moves, mark: Extract<MoveMark, { readonly change: number }>): Moves {
  if (mark.change < before.change) return before;
  const { released, accepted } = mark.change > before.change ? noMoves : before;
  const { change } = mark;
  return mark.kind === "release"
    ? { change, released: new Set([...released, mark.to]), accepted }
    : { change, released, accepted: new Map([...accepted, [mark.from, mark.revision]]) };
}

/** The revision of the record that a record was copied from; 0: it is no copy. */
export function copiedRevisionOf(move: MoveMark | undefined): number {
  return move?.kind === "copy" ? move.revision : 0;
}
