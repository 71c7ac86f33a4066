/**
 * The bytes of all chunks, in memory of their own: whoever keeps a part of a message keeps no more than the message, and
 * not the larger block that a chunk was cut from.
 */
export function joinChunks(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(bytes);
  let end = 0;
  for (const chunk of chunks) {
    joined.set(chunk, end);
    end += chunk.length;
  }
  return joined;
}
