import type { DiskFile } from "../disk/disk.ts";
import type { Token } from "./token.ts";
import { Tokenizer } from "./tokenizer.ts";

export interface TokenRange {
  readonly from: number;
  readonly to: number;
  /** Whether records of the original program may stand at `from`. */
  readonly legacyAllowed: boolean;
  /** Bytes to read and parse at once, unless a record is longer. */
  readonly chunkBytes: number;
}

/** For reads while the node serves calls: parsing a chunk blocks them for a few milliseconds. */
export const smallChunkBytes = 64 * 1024;

const chunkBytes = 1024 * 1024;

export function wholeFile(to: number): TokenRange {
  return { from: 0, to, legacyAllowed: true, chunkBytes };
}

/**
 * Splits part of a file into tokens. Together they cover every byte. A record is good if its checksum matches (or, for
 * the original program, its shape), whatever is around it. Memory: one chunk, or the longest record.
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
