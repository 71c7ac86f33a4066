import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressionIsBusy, compressions } from "../../../src/rpc/port/compression.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const timeout = 120_000;
const text = textOf(4 * 1_024 * 1_024);

function textOf(length: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(1);
  const words = Array.from({ length: 500 }, () => Math.floor(random() * 36 ** 6).toString(36));
  let all = "";
  while (all.length < length) all += `${words[Math.floor(random() * words.length)]} `;
  return new TextEncoder().encode(all.slice(0, length));
}

async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

for (const { name, compress, decompress } of compressions) {
  describe(`compression with ${name}`, () => {
    it("makes text small at little cost", { timeout }, async () => {
      let compressed = text;
      const cost = await timeOf(async () => {
        compressed = await compress(text);
      });
      assert.ok(compressed.length < text.length * 0.6, `${compressed.length} bytes`);
      assert.equal(Buffer.compare(await decompress(compressed, text.length), text), 0);
      // With its default, brotli costs 100 times as much as the cheapest gzip.
      const cheapest = await timeOf(() => promisify(gzip)(text, { level: 1 }));
      assert.ok(cost < 20 * cheapest, `${cost} ms where gzip 1 took ${cheapest} ms`);
    });

    it("leaves threads to the disk, however many messages there are", { timeout }, async () => {
      let done = 0;
      const all = Array.from({ length: 16 }, async () => {
        await compress(text);
        done++;
      });
      assert.ok(compressionIsBusy());
      // Needs a thread of the same pool as an fdatasync does.
      await stat(import.meta.filename);
      assert.ok(done <= 1, `${done} messages were compressed first`);
      await Promise.all(all);
      assert.ok(!compressionIsBusy());
    });

    it("ends a message that would become too large", { timeout }, async () => {
      const limit = 1_024 * 1_024;
      const bomb = await compress(new Uint8Array(64 * limit));
      const attempts = Array.from({ length: 8 }, () =>
        assert.rejects(
          decompress(bomb, limit),
          (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted,
        ),
      );
      await Promise.all(attempts);
    });
  });
}
