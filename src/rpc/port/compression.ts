/**
 * Compression of messages, cheap enough not to slow disks: the runtimes compress on the same few threads that write to
 * disk, and a primary whose fdatasync waits for a thread looks dead.
 */

import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Compression } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { SerialQueue } from "../../common/serial-queue.ts";

/** 4 MiB of text take 30 ms with gzip 1 and brotli 1; with the default of brotli, 11, 8 s for a quarter less. */
const gzipLevel = 1;
const brotliQuality = 1;

/** Answers that may wait to be compressed. Beyond this number, answers are sent uncompressed. */
const waitingMax = 8;

/** Shorter answers are sent uncompressed. */
export const compressMinBytes = 1_024;

/** At most one of the four threads for each direction. */
const compressing = new SerialQueue();
const decompressing = new SerialQueue();
let waiting = 0;

const gzipAsync = promisify(gzip);
const brotliAsync = promisify(brotliCompress);

export const compressions: readonly Compression[] = [
  inTurn(compressionGzip, (bytes) => gzipAsync(bytes, { level: gzipLevel })),
  inTurn(compressionBrotli, (bytes) =>
    brotliAsync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: brotliQuality,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  ),
];

/** Whether an answer would wait long to be compressed. */
export function compressionIsBusy(): boolean {
  return waiting >= waitingMax;
}

/** Decompression stops at the message limit, which bounds a zip bomb. */
function inTurn(
  { name, decompress }: Compression,
  compress: (bytes: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>,
): Compression {
  return {
    name,
    async compress(bytes) {
      waiting++;
      try {
        return await compressing.run(async () => {
          // Deno runs brotli on the JavaScript thread, which needs time for other work between two messages.
          await setImmediate();
          return await compress(bytes);
        });
      } finally {
        waiting--;
      }
    },
    decompress: (bytes, readMaxBytes) => decompressing.run(() => decompress(bytes, readMaxBytes)),
  };
}
