import type { Request } from "./http.ts";

/** Chunks that are passed on as they come, and how long one must be to be passed on after that. */
const freeChunks = 16;
const chunkBytesMin = 4_096;

const blockBytes = 65_536;

/**
 * The body of a request. A service that gives it up (the message is too large, say) must not end the connection with
 * it, as Node does by default: the answer would be lost.
 *
 * Who gathers a message from chunks keeps each of them, which takes a hundred times its bytes when it has only one. So
 * many small ones are put together, unless they are a stream, whose messages may not wait for the next.
 */
export async function* bodyOf(request: Request, isStream: boolean): AsyncIterable<Uint8Array<ArrayBuffer>> {
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
    const isSmall = count > freeChunks && chunk.length < chunkBytesMin;
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
