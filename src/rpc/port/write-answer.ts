import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Call } from "./connection.ts";
import { trailerFields } from "./grpc-message.ts";
import type { Response } from "./http.ts";

/**
 * Writes the answer of a service as fast as the caller reads it. When the caller has gone, the service is ended, even
 * while it waits for the caller to read: then no `drain` comes, and on some runtimes no error.
 */
export async function writeAnswer(
  answering: Promise<UniversalServerResponse>,
  response: Response,
  call: Call,
): Promise<void> {
  let isGone = false;
  let chunks: AsyncIterator<Uint8Array> | undefined;
  let moveOn = () => {};
  response.on("drain", () => moveOn());
  response.once("close", () => {
    isGone = true;
    moveOn();
    // A stream that waits in its `yield` does not see the signal.
    chunks?.return?.().catch(() => {});
  });

  const { status, header, body, trailer } = await answering;
  chunks = body?.[Symbol.asyncIterator]();
  if (isGone) return void chunks?.return?.().catch(() => {});
  call.answered();
  // Sent at once: otherwise Bun loses the trailers.
  writeHead(response, status, Object.fromEntries(header ?? []));
  for (;;) {
    const { done, value } = (await chunks?.next()) ?? { done: true };
    if (isGone) return;
    if (done) break;
    // Bun would send it as a frame of its own: see `endWith`.
    if (value.length === 0) continue;
    if (!write(response, value)) {
      call.waited();
      await new Promise<void>((resolve) => {
        moveOn = resolve;
      });
      call.waited();
    }
  }
  if (trailer !== undefined) {
    const isError = trailer.has("grpc-message");
    response.addTrailers(isError ? trailerFields(trailer) : Object.fromEntries(trailer));
  }
  response.end();
}

// Both kinds of responses have these methods, but not their overloads.

function writeHead(response: Response, status: number, headers: Record<string, string>): void {
  if ("stream" in response) response.writeHead(status, headers);
  else response.writeHead(status, headers);
}

function write(response: Response, chunk: Uint8Array): boolean {
  return "stream" in response ? response.write(chunk) : response.write(chunk);
}
