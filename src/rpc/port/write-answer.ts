import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Call } from "./connection.ts";
import { trailerFields } from "./grpc-message.ts";
import type { Response } from "./http.ts";

/**
 * Writes down what a service answers, as fast as its caller takes it. A service whose caller has gone is ended, also
 * while it waits for the caller to take more: then there is never a `drain`, nor an error on every runtime.
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
    // A stream that waits in its `yield` sees no signal.
    chunks?.return?.().catch(() => {});
  });

  const { status, header, body, trailer } = await answering;
  chunks = body?.[Symbol.asyncIterator]();
  if (isGone) return void chunks?.return?.().catch(() => {});
  call.answered();
  // At once: on Bun, trailers without it are lost.
  writeHead(response, status, Object.fromEntries(header ?? []));
  for (;;) {
    const { done, value } = (await chunks?.next()) ?? { done: true };
    if (isGone) return;
    if (done) break;
    if (!write(response, value)) {
      call.waited();
      await new Promise<void>((resolve) => {
        moveOn = resolve;
      });
      call.waited();
    }
  }
  if (trailer !== undefined) response.addTrailers(trailerFields(trailer));
  response.end();
}

// The two kinds of responses have these methods in common, but not their overloads.

function writeHead(response: Response, status: number, headers: Record<string, string>): void {
  if ("stream" in response) response.writeHead(status, headers);
  else response.writeHead(status, headers);
}

function write(response: Response, chunk: Uint8Array): boolean {
  return "stream" in response ? response.write(chunk) : response.write(chunk);
}
