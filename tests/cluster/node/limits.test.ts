import assert from "node:assert/strict";
import { test } from "node:test";
import type { WriteOperation } from "../../../src/cluster/kv/write-plan.ts";
import { checkBatch } from "../../../src/cluster/node/limits.ts";
import { checkRecord } from "../../../src/cluster/storage/format/record-check.ts";
import { batchOperationsMax, valueBytesLimit } from "../../../src/common/key-limits.ts";

const keyBytesMax = 4096;

/** As many operations as a batch may have, with the longest keys, and with values up to `bytes` together. */
function largestBatch(bytes: number, unit: string): WriteOperation[] {
  const width = Buffer.byteLength(unit);
  const left = bytes - batchOperationsMax * keyBytesMax;
  // One byte more than a multiple of three costs the most in base64.
  const each = Math.floor(left / batchOperationsMax / 3) * 3 - 2;
  return Array.from({ length: batchOperationsMax }, (_, index) => {
    const name = String(index).padStart(4, "0");
    const filled = name + unit.repeat((keyBytesMax - name.length) / width);
    const key = filled + "k".repeat(keyBytesMax - Buffer.byteLength(filled));
    const length = index === 0 ? left - (batchOperationsMax - 1) * each : each;
    return { kind: "put", key, value: new Uint8Array(length), text: false };
  });
}

const changeOf = (operation: WriteOperation) => {
  assert.ok(operation.kind === "put");
  return { ...operation, previous: Number.MAX_SAFE_INTEGER, expiresMs: Number.MAX_SAFE_INTEGER };
};

for (const [name, unit] of [
  ["ASCII", "k"],
  ["two bytes", "ä"],
  ["three bytes", "€"],
] as const) {
  test(`the largest batch that any setting lets through fits into a record, with keys of ${name}`, () => {
    const operations = largestBatch(valueBytesLimit, unit);
    checkBatch(operations, valueBytesLimit);
    checkRecord({ epoch: 1, seq: 1, changes: operations.map(changeOf), requestId: "x".repeat(64) });
    const tooLarge = largestBatch(valueBytesLimit + 1, unit);
    assert.throws(() => checkBatch(tooLarge, valueBytesLimit), {
      code: "invalid",
      message: `the keys and values of the batch have ${valueBytesLimit + 1} bytes; at most ${valueBytesLimit} are allowed (maxvaluebytes)`,
    });
  });
}
