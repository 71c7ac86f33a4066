import type { EpochStart, LogRecord, Position } from "./model.ts";

/** The records of a log in their order, as far as it still has them. */
export interface LogHistory {
  /** Records up to here were compacted, or came with a snapshot: some of them may be missing. */
  readonly base: Position;
  /** The last record that was appended or found on opening, on disk or not. */
  readonly last: Position;
  /** Every epoch of the log, up to `last`. Compaction keeps them. */
  readonly epochs: readonly EpochStart[];

  /**
   * Records after `afterSeq`, in order, about `maxBytes` together (at least one, if there is one); none that could still
   * be withdrawn. Undefined when `afterSeq` is below `base.seq`.
   */
  read(afterSeq: number, maxBytes: number): Promise<LogRecord[] | undefined>;
}
