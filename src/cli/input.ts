import process from "node:process";
import { valueBytesLimit } from "../common/key-limits.ts";
import { ExitError } from "../settings/run-main.ts";

/** Reads all of standard input. Errors: ExitError (it is longer than any cluster's value limit). */
export async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > valueBytesLimit) {
      throw new ExitError(2, `the value on standard input is too long; allowed: ${valueBytesLimit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
