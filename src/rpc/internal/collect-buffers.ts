import process from "node:process";

/** Growth of the process that is left to the runtime. */
const growthBytesMax = 48 * 1024 * 1024;

/** How large the process is is asked after so many bytes of messages: asking costs as much as a small message. */
const askAfterBytes = 1024 * 1024;
let passedBytes = 0;
let floorBytes = Number.POSITIVE_INFINITY;

/**
 * Call it where messages pass, with their bytes. Bun's collector only looks at the heap of JavaScript, so unused buffers
 * of large messages pile up outside of it. This runs the collector when the process has grown. Node and Deno do not need
 * it.
 */
export function collectBuffers(bytes: number): void {
  passedBytes += bytes;
  if (typeof Bun === "undefined" || passedBytes < askAfterBytes) return;
  passedBytes = 0;
  const rssBytes = process.memoryUsage.rss();
  floorBytes = Math.min(floorBytes, rssBytes);
  if (rssBytes - floorBytes < growthBytesMax) return;
  Bun.gc(true);
  floorBytes = process.memoryUsage.rss();
}

/** Bytes of a message, about: nothing but its values can be large. */
export function valueBytes({ records }: { readonly records: readonly WithChanges[] }): number {
  let bytes = 0;
  for (const { changes } of records) for (const { value } of changes) bytes += value.length;
  return bytes;
}

interface WithChanges {
  readonly changes: readonly { readonly value: Uint8Array }[];
}

declare const Bun: { gc(synchronously: boolean): void } | undefined;
