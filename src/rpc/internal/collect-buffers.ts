import process from "node:process";

/** Growth that is left to the runtime. */
const growthBytesMax = 48 * 1024 * 1024;
let floorBytes = Number.POSITIVE_INFINITY;

/**
 * To be called where large messages pass. Bun's collector goes by JavaScript's own heap, and lets the dead buffers of a
 * stream of large messages pile up beside it; so it is made to run when the process has grown. Node and Deno need no
 * such help.
 */
export function collectBuffers(): void {
  if (typeof Bun === "undefined") return;
  const bytes = process.memoryUsage.rss();
  floorBytes = Math.min(floorBytes, bytes);
  if (bytes - floorBytes < growthBytesMax) return;
  Bun.gc(true);
  floorBytes = process.memoryUsage.rss();
}

declare const Bun: { gc(synchronously: boolean): void } | undefined;
