/**
 * Ends a stream with a body, if there is one. Bun would send an empty one as a frame of its own in HTTP/2, and a peer ends a
 * session that has sent 1,000 of them.
 */
export function endWith(
  stream: { end(): unknown; end(body: Uint8Array): unknown },
  body: Uint8Array | undefined,
): void {
  if (body === undefined || body.length === 0) stream.end();
  else stream.end(body);
}
