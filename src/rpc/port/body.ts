import type { Readable } from "node:stream";

/** How many chunks are passed on as they come, and the length from which later ones are. */
export const freeChunks = 16;
export const smallChunkBytes = 4_096;

const blockBytes = 65_536;

/**
 * The body of a request. A service that stops reading it (because the message is too large, say) must not end the
 * connection, as Node does by default: the answer would be lost.
 *
 * A reader that collects a message keeps each chunk, and a chunk of one byte takes a hundred bytes. So small chunks are
 * joined, except those of streams, whose messages must not wait for the next one.
 */
export async function* bodyOf(request: Readable, isStream: boolean): AsyncIterable<Uint8Array<ArrayBuffer>> {
  try {
    const chunks = request.iterator({ destroyOnReturn: false });
    if (isStream) yield* chunks;
    else yield* gathered(chunks);
  } finally {
    request.resume();
  }
}

async function* gathered(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncIterable<Uint8Array<ArrayBuffer>> {
  let count = 0;
  let block = new Uint8Array(0);
  let length = 0;
  for await (const chunk of chunks) {
    count++;
    const isSmall = count > freeChunks && chunk.length < smallChunkBytes;
    if (length > 0 && (!isSmall || length + chunk.length > blockBytes)) {
      yield block.subarray(0, length);
      block = new Uint8Array(0);
      length = 0;
    }
    if (!isSmall) {
      yield chunk;
      continue;
    }
    if (block.length === 0) block = new Uint8Array(blockBytes);
    block.set(chunk, length);
    length += chunk.length;
  }
  if (length > 0) yield block.subarray(0, length);
}
