import process from "node:process";
import { contentBytesOf } from "../../cluster/storage/format/record.ts";
import type { LogRecord } from "../../cluster/storage/model.ts";

/** Growth of the process that is left to the runtime. */
const growthBytesMax = 36 * 1024 * 1024;

/**
 * The buffers of smaller messages are collected with the objects around them. A full collection takes 150 ms, for which all
 * calls wait.
 */
const largeBytes = 256 * 1024;

/** How large the process is is asked after so many bytes of large messages. */
const askAfterBytes = 1024 * 1024;
let passedBytes = 0;
let floorBytes = Number.POSITIVE_INFINITY;

/**
 * Call it where messages pass, with their records. Bun's collector only looks at the heap of JavaScript, so unused buffers
 * of large messages pile up outside of it. This runs the collector when the process has grown. Node and Deno do not need
 * it.
 */
export function collectBuffers(records: readonly LogRecord[]): void {
  if (typeof Bun === "undefined") return;
  const bytes = contentBytesOf(records);
  if (bytes < largeBytes) return;
  passedBytes += bytes;
  if (passedBytes < askAfterBytes) return;
  passedBytes = 0;
  const rssBytes = process.memoryUsage.rss();
  floorBytes = Math.min(floorBytes, rssBytes);
  if (rssBytes - floorBytes < growthBytesMax) return;
  Bun.gc(true);
  floorBytes = process.memoryUsage.rss();
}

declare const Bun: { gc(synchronously: boolean): void } | undefined;
