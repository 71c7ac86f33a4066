import type * as http2 from "node:http2";

export interface RawCall {
  readonly headers: http2.OutgoingHttpHeaders;
  readonly chunks: readonly Uint8Array[];
  /** Whether the caller ends its side only once it has the answer. */
  readonly isOpen?: boolean;
}

export interface RawAnswer {
  /** All but the date. */
  readonly head: Record<string, unknown>;
  readonly trailers: Record<string, unknown>;
  readonly body: Buffer;
  /** How the stream ended. */
  readonly code: number;
}

/** One call on an HTTP/2 session as it stands on the wire. Resolves with whatever comes; never rejects. */
export function rawExchange(session: http2.ClientHttp2Session, call: RawCall): Promise<RawAnswer> {
  const { headers, chunks, isOpen = false } = call;
  return new Promise((resolve) => {
    const stream = session.request({ ":method": "POST", ...headers });
    let head: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    const received: Uint8Array[] = [];
    stream.on("response", ({ date: _, ...given }) => {
      head = { ...given };
    });
    stream.on("trailers", (given) => {
      trailers = { ...given };
    });
    stream.on("data", (chunk: Uint8Array) => received.push(chunk));
    stream.on("error", () => {});
    const done = () => {
      if (isOpen) stream.end();
      resolve({ head, trailers, body: Buffer.concat(received), code: stream.rstCode ?? 0 });
    };
    // Deno's client does not close a stream whose answer came before the whole request was sent.
    stream.on("end", done);
    stream.on("close", done);
    for (const chunk of chunks) stream.write(chunk);
    if (!isOpen) stream.end();
  });
}
