import process from "node:process";
import { ExitError } from "../settings/run-main.ts";

/** The largest value that any cluster can be set to take, see `maxvaluebytes`. */
export const stdinBytesMax = 64 * 1024 * 1024;

/** All of standard input. Errors: ExitError (more than `stdinBytesMax`). */
export async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > stdinBytesMax) {
      throw new ExitError(2, `the value on standard input is too long; allowed: ${stdinBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
