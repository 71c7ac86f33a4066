import { invariant } from "../../common/invariant.ts";
import { epochAt } from "./format/history.ts";
import type { EpochStart, LogRecord, Position } from "./model.ts";
import { MoveHistory } from "./move-history.ts";

/** Where the records of a log stand. For those who only look; `Positions` moves them. */
export interface LogPositions {
  /** Records up to here were compacted, or came with a snapshot: some of them may be missing. */
  readonly base: Position;
  /** The last record that reads can see. */
  readonly visible: Position;
  /** The last record that is on disk. */
  readonly durable: Position;
  /** The last record that is in the file, synced or not. */
  readonly written: Position;
  /** The last record that was appended, written or not. */
  readonly last: Position;
  /**
   * The last record that may be more than a mark: that changes keys of this group, answers a request, or accepts keys. Of
   * what the log had when it was opened this is the last record: nobody has looked.
   */
  readonly changedSeq: number;
  /** Records up to here are known to be committed. They may not be on disk here yet. */
  readonly committedSeq: number;
  /** Every epoch up to `last`. */
  readonly epochs: readonly EpochStart[];
  /** What the records up to `last` say of moves. */
  readonly moves: MoveHistory;
  /** The highest epoch that the replica has promised to follow. */
  readonly promisedEpoch: number;
  /** How much of that promise is on disk. */
  readonly promisedOnDisk: number;
  /** The place of a record, from the base on. */
  at(seq: number): Position;
}

/** What a file says of the positions when it becomes the log. All of its records are on disk. */
export type LoadedPositions = Pick<LogPositions, "base" | "last" | "epochs" | "moves" | "promisedEpoch">;

const zero: Position = { epoch: 0, seq: 0 };

/**
 * Moves the positions of a log, and keeps that
 *
 *     base ≤ visible ≤ durable ≤ written ≤ last,  base ≤ committed ≤ last,  last.epoch ≤ promised epoch,
 *
 * that what is visible was committed or found on opening, and that nothing committed is ever taken back. Each move
 * throws an InvariantError when it would break that.
 */
export class Positions implements LogPositions {
  #base = zero;
  #visibleSeq = 0;
  #durable = zero;
  #written = zero;
  #last = zero;
  #changedSeq = 0;
  #committedSeq = 0;
  #epochs: readonly EpochStart[] = [];
  #moves = MoveHistory.none;
  #promisedEpoch = 0;
  #promisedOnDisk = 0;

  get base(): Position {
    return this.#base;
  }
  get visible(): Position {
    return this.at(this.#visibleSeq);
  }
  get visibleSeq(): number {
    return this.#visibleSeq;
  }
  get durable(): Position {
    return this.#durable;
  }
  get written(): Position {
    return this.#written;
  }
  get last(): Position {
    return this.#last;
  }
  get changedSeq(): number {
    return this.#changedSeq;
  }
  get committedSeq(): number {
    return this.#committedSeq;
  }
  get epochs(): readonly EpochStart[] {
    return this.#epochs;
  }
  get moves(): MoveHistory {
    return this.#moves;
  }
  get promisedEpoch(): number {
    return this.#promisedEpoch;
  }
  get promisedOnDisk(): number {
    return this.#promisedOnDisk;
  }

  at(seq: number): Position {
    return seq === this.#base.seq ? this.#base : { epoch: epochAt(this.#epochs, seq), seq };
  }

  /** A record was appended in memory. An epoch that it begins is promised with it. */
  appended({ epoch, seq, changes, requestId, move }: LogRecord): void {
    invariant(seq === this.#last.seq + 1, "a record must follow the last one without a gap");
    invariant(epoch >= this.#last.epoch, "a record must not be of an earlier epoch than the last one");
    if (epoch > this.#last.epoch) this.#epochs = [...this.#epochs, { epoch, firstSeq: seq }];
    this.#last = { epoch, seq };
    const isOwn = move === undefined && (changes.length > 0 || requestId !== undefined);
    if (isOwn || move?.kind === "accept") this.#changedSeq = seq;
    this.#moves = this.#moves.with({ seq, move });
    if (epoch > this.#promisedEpoch) this.#promisedEpoch = epoch;
  }

  /** Records up to this one are in the file. */
  wrote({ epoch, seq }: Position): void {
    invariant(seq >= this.#written.seq, "what was written stays in the file");
    this.#written = { epoch, seq };
    this.#check();
  }

  /** Records up to this one are on disk. */
  synced({ epoch, seq }: Position): void {
    invariant(seq >= this.#durable.seq, "what is on disk stays there");
    this.#durable = { epoch, seq };
    this.#check();
  }

  /** The replica will follow no lower epoch. */
  promised(epoch: number): void {
    this.#promisedEpoch = Math.max(this.#promisedEpoch, epoch);
  }

  promiseSynced(epoch: number): void {
    invariant(epoch <= this.#promisedEpoch, "an epoch is on disk that was never promised");
    this.#promisedOnDisk = Math.max(this.#promisedOnDisk, epoch);
  }

  /** Records up to `seq` are committed. */
  committed(seq: number): void {
    invariant(seq <= this.#last.seq, "a record is committed that the log does not have");
    this.#committedSeq = Math.max(this.#committedSeq, seq);
  }

  /** Up to where records can be made visible: what is committed and on disk. */
  get readySeq(): number {
    return Math.min(this.#committedSeq, this.#durable.seq);
  }

  /** The next record is visible. */
  shown(seq: number): void {
    invariant(seq === this.#visibleSeq + 1, "records become visible one after another");
    invariant(
      seq <= this.#committedSeq && seq <= this.#durable.seq,
      "only what is committed becomes visible",
    );
    this.#visibleSeq = seq;
  }

  /** Records after `seq`, none of which is in the file, are taken back. */
  withdrawn(seq: number): void {
    invariant(seq >= this.#committedSeq, "a committed record is to be taken back");
    this.#epochs = this.#epochs.filter(({ firstSeq }) => firstSeq <= seq);
    this.#moves = this.#moves.upTo(seq);
    this.#last = this.at(seq);
    this.#changedSeq = Math.min(this.#changedSeq, seq);
    this.#check();
  }

  /** Records up to `base` are compacted: for good, so they count as committed. */
  compacted(base: Position): void {
    invariant(base.seq >= this.#base.seq, "the base never moves back");
    this.#base = base;
    this.#committedSeq = Math.max(this.#committedSeq, base.seq);
    this.#check();
  }

  /** Records after those of this file are cut off. The file has all that was committed. */
  truncated(loaded: LoadedPositions, visibleSeq: number): void {
    invariant(loaded.last.seq >= this.#committedSeq, "a committed record is to be cut off");
    this.#load(loaded, visibleSeq);
  }

  /** Another log has taken the place of this one. All of it is visible, and nothing after its base known as committed. */
  replaced(loaded: LoadedPositions): void {
    this.#committedSeq = 0;
    this.#load(loaded, loaded.last.seq);
  }

  #load({ base, last, epochs, moves, promisedEpoch }: LoadedPositions, visibleSeq: number): void {
    this.#base = base;
    this.#visibleSeq = visibleSeq;
    this.#durable = last;
    this.#written = last;
    this.#last = last;
    this.#changedSeq = last.seq;
    this.#epochs = epochs;
    this.#moves = moves;
    this.#committedSeq = Math.max(this.#committedSeq, base.seq);
    this.#promisedEpoch = Math.max(this.#promisedEpoch, promisedEpoch);
    this.#promisedOnDisk = promisedEpoch;
    this.#check();
  }

  #check(): void {
    const isOrdered =
      this.#base.seq <= this.#visibleSeq &&
      this.#visibleSeq <= this.#durable.seq &&
      this.#durable.seq <= this.#written.seq &&
      this.#written.seq <= this.#last.seq &&
      this.#base.seq <= this.#committedSeq &&
      this.#committedSeq <= this.#last.seq &&
      this.#last.epoch <= this.#promisedEpoch;
    invariant(isOrdered, () => `the positions of the log are out of order: ${this.#describe()}`);
  }

  #describe(): string {
    const show = ({ epoch, seq }: Position) => `${epoch}.${seq}`;
    return (
      `base ${show(this.#base)}, visible ${this.#visibleSeq}, durable ${show(this.#durable)}, ` +
      `written ${show(this.#written)}, last ${show(this.#last)}, committed ${this.#committedSeq}, ` +
      `promised ${this.#promisedEpoch}`
    );
  }
}
