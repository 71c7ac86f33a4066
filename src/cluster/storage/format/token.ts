import type { ControlLine } from "./control-line.ts";
import type { ParsedRecord } from "./record.ts";

/** Where something stands in a file. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
  /** Number of its first line, from 1. */
  readonly line: number;
}

export interface RecordToken extends Place {
  readonly kind: "record";
  readonly record: ParsedRecord;
  /** Has the record from `start` on. Valid until the next tokens are asked for. */
  readonly window: Buffer;
  readonly start: number;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

export interface ControlToken extends Place {
  readonly kind: "control";
  readonly control: ControlLine;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

/** Bytes that are nothing, up to the next good token or the end. */
export interface BadToken extends Place {
  readonly kind: "bad";
  readonly reason: string;
  /** Whether they begin the file, and as a header does. */
  readonly isHeaderLike: boolean;
  /** Whether they are a record or control line of a later version. */
  readonly newer: boolean;
}

export type Token = RecordToken | ControlToken | BadToken;
