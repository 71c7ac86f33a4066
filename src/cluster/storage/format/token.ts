import type { ControlLine } from "./control-line.ts";
import type { ParsedRecord } from "./record.ts";

/** The place of something in a file. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
  /** Number of its first line, from 1. */
  readonly line: number;
}

/** A record or a control line. */
interface GoodToken extends Place {
  /** Contains it, from `start` on. Valid until the next tokens are read. */
  readonly window: Buffer;
  readonly start: number;
  /** See `ParsedEntry.back`. */
  readonly back: number;
}

export interface RecordToken extends GoodToken {
  readonly kind: "record";
  readonly record: ParsedRecord;
}

export interface ControlToken extends GoodToken {
  readonly kind: "control";
  readonly control: ControlLine;
}

/** A bad stretch: bytes that are neither a record nor a control line, up to the next good token or the end. */
export interface BadToken extends Place {
  readonly kind: "bad";
  readonly reason: string;
  /** Whether they are at the beginning of the file and look like a header. */
  readonly isHeaderLike: boolean;
  /** Whether a later version wrote them. */
  readonly newer: boolean;
}

/** The bytes of a good token, as long as its window is valid. */
export function bytesOf({ window, start, bytes }: GoodToken): Buffer {
  return window.subarray(start, start + bytes);
}

export type Token = RecordToken | ControlToken | BadToken;
