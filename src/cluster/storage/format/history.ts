import type { EpochStart, Position } from "../model.ts";

/** Epoch of the record `seq` in a log with these epochs; 0 before the first of them. */
export function epochAt(epochs: readonly EpochStart[], seq: number): number {
  let epoch = 0;
  for (const start of epochs) {
    if (start.firstSeq > seq) break;
    epoch = start.epoch;
  }
  return epoch;
}

/** What two logs are compared by. */
export interface History {
  readonly epochs: readonly EpochStart[];
  readonly last: Position;
}

/**
 * The last seq up to which two logs of one group are the same.
 *
 * One epoch has one primary, and a log takes records of an epoch only in their order: so two logs that hold a record
 * of the same epoch and seq are the same up to there (the log matching property of Raft, §5.3). That does not hold for
 * epoch 0, the records of the original program, which no primary has ordered: these never match.
 */
export function commonSeq(a: History, b: History): number {
  let seq = Math.min(a.last.seq, b.last.seq);
  while (seq > 0) {
    const epochA = epochAt(a.epochs, seq);
    const epochB = epochAt(b.epochs, seq);
    if (epochA === 0 || epochB === 0) return 0;
    if (epochA === epochB) return seq;
    seq = epochA > epochB ? firstSeqOf(a, epochA) - 1 : firstSeqOf(b, epochB) - 1;
  }
  return 0;
}

/** Which of two logs of a group ends later: what a later epoch has committed replaces the end of an earlier one. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}

/** Whether a log holds the record at `position`, as far as its epochs tell. */
export function holds(log: History, position: Position): boolean {
  if (position.seq === 0) return true;
  if (position.epoch === 0 || position.seq > log.last.seq) return false;
  return epochAt(log.epochs, position.seq) === position.epoch;
}

function firstSeqOf(log: History, epoch: number): number {
  const start = log.epochs.find((candidate) => candidate.epoch === epoch);
  if (start === undefined) throw new RangeError(`epoch ${epoch} is not in the log`);
  return start.firstSeq;
}
