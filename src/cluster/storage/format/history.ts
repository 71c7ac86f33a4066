import type { EpochStart, Position } from "../model.ts";

/** Epoch of the record `seq` in a log with these epochs. 0 before the first one. */
export function epochAt(epochs: readonly EpochStart[], seq: number): number {
  let epoch = 0;
  for (const start of epochs) {
    if (start.firstSeq > seq) break;
    epoch = start.epoch;
  }
  return epoch;
}

/** What is needed to compare two logs. */
export interface History {
  readonly epochs: readonly EpochStart[];
  readonly last: Position;
}

/**
 * The last seq up to which two logs of one group are the same.
 *
 * An epoch has one primary, and a log takes the records of an epoch only in order. So two logs with a record of the
 * same epoch and seq are the same up to that record (the log matching property of Raft, §5.3). Records of the original
 * program, which have epoch 0, are an exception: no primary has ordered them, so they never match.
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

/** Orders two logs of a group by where they end: by epoch, then by seq. A later epoch replaces the end of an earlier one. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}

/** Whether a log has the record at `position`, judged by its epochs. */
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
