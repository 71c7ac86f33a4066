import type { AheadStart, LogRecord } from "../../../src/cluster/storage/model.ts";

/** The committed records of a group, and by how much its revisions are ahead of them. */
export interface CommittedLog {
  /** By seq from 1; undefined where nobody knows it any more. */
  readonly committed: readonly (LogRecord | undefined)[];
  readonly aheads: readonly AheadStart[];
}

/** What own records at a place of the log have for their revision. */
export function ownRevision({ aheads }: Pick<CommittedLog, "aheads">, seq: number): number {
  return seq + (aheads.findLast(({ firstSeq }) => firstSeq <= seq)?.ahead ?? 0);
}

/** The revision that keys have from the record at a place: a copy brings its own. */
export function revisionAt(log: CommittedLog, seq: number): number {
  const move = log.committed[seq - 1]?.move;
  return move?.kind === "copy" ? move.revision : ownRevision(log, seq);
}

/** The last place with a revision of at most this one; beyond the log for a revision that it does not reach. */
export function seqAt({ aheads }: Pick<CommittedLog, "aheads">, revision: number): number {
  let next = Number.POSITIVE_INFINITY;
  for (const { firstSeq, ahead } of aheads.toReversed()) {
    if (revision >= firstSeq + ahead) return Math.min(revision - ahead, next - 1);
    next = firstSeq;
  }
  return Math.min(revision, next - 1);
}

/** The own record that has this revision. */
export function recordOf(log: CommittedLog, revision: number): LogRecord | undefined {
  const seq = seqAt(log, revision);
  return ownRevision(log, seq) === revision ? log.committed[seq - 1] : undefined;
}

/** Whether a record is of the group's own doing: not a copy, nor the end of one. */
export function isOwn({ move }: LogRecord): boolean {
  return move === undefined;
}
