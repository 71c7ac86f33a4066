import type { DiskFile } from "../disk/disk.ts";
import type { Token } from "./token.ts";
import { Tokenizer } from "./tokenizer.ts";

export interface TokenRange {
  readonly from: number;
  readonly to: number;
  /** Whether records of the original program may stand at `from`. */
  readonly legacyAllowed: boolean;
  /** Bytes to read and parse in one turn, if no record is longer. */
  readonly chunkBytes: number;
}

/** Of a scan that keeps others waiting no longer than a millisecond or so. */
export const smallChunkBytes = 64 * 1024;

const chunkBytes = 1024 * 1024;

export function wholeFile(to: number): TokenRange {
  return { from: 0, to, legacyAllowed: true, chunkBytes };
}

/**
 * Splits part of a file into tokens. A record is good by its checksum (one of the original program by its shape), whatever
 * stands around it. Together the tokens cover every byte. Memory: the chunk, or the longest record.
 */
export async function* readTokens(
  file: Pick<DiskFile, "read">,
  { from, to, legacyAllowed, chunkBytes }: TokenRange,
): AsyncGenerator<Token[], void, void> {
  const tokenizer = new Tokenizer(from, legacyAllowed);
  let buffer = Buffer.allocUnsafe(Math.max(1, Math.min(chunkBytes, to - from)));
  let filled = 0;
  let position = from;
  for (;;) {
    const room = Math.min(buffer.length - filled, to - position);
    const read = room === 0 ? 0 : await file.read(buffer.subarray(filled, filled + room), position);
    filled += read;
    position += read;
    const atEnd = position === to || read < room;
    const { tokens, consumed } = tokenizer.split(buffer.subarray(0, filled), atEnd);
    if (tokens.length > 0) yield tokens;
    if (atEnd) return;
    const rest = buffer.subarray(consumed, filled);
    if (rest.length * 2 > buffer.length) buffer = Buffer.allocUnsafe(buffer.length * 2);
    buffer.set(rest);
    filled = rest.length;
  }
}
