/**
 * Compression of messages, held so cheap that disks do not suffer: the runtimes compress on the few threads on which they
 * also write to disk, and a primary whose fdatasync waits for a thread is taken for dead.
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

/** Answers that wait for their turn; beyond that, new calls get theirs as they are. */
const waitingMax = 8;

/** One thread at most for each direction, of the four that there are. */
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

/** Whether an answer would have to wait long for its turn to be compressed. */
export function compressionIsBusy(): boolean {
  return waiting >= waitingMax;
}

/** What is decompressed is bounded by the limit of a message: a bomb ends there. */
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
          // Deno does brotli on the thread of all JavaScript, which has to get to other things between two messages.
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
