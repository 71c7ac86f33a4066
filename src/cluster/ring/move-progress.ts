/** What a move does now: see docs/ring.md. */
export type MoveStage =
  /** Copies that an earlier attempt has left are removed. */
  | "erase"
  /** The keys are copied, and then what is written to them meanwhile. */
  | "copy"
  /** Writes of these keys wait, until the destination has all of them. */
  | "seal"
  /** The source gives the keys up. */
  | "release";

/** A move under way, as the primary of its destination sees it. */
export interface MoveProgress {
  /** The id of the ring change: see `RingChange`. */
  readonly change: number;
  readonly from: string;
  readonly to: string;
  readonly stage: MoveStage;
  /** Keys that have been copied in this attempt. */
  readonly keys: number;
  /** Keys that are to be copied, as of the beginning of this attempt. 0 before that is known. */
  readonly keysTotal: number;
  /** Since this attempt began. */
  readonly elapsedMs: number;
}
