import process from "node:process";

/** Growth of the process that is left to the runtime. */
const growthBytesMax = 48 * 1024 * 1024;
let floorBytes = Number.POSITIVE_INFINITY;

/**
 * Call it where large messages pass. Bun's collector only looks at the heap of JavaScript, so unused buffers of large
 * messages pile up outside of it. This runs the collector when the process has grown. Node and Deno do not need it.
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
