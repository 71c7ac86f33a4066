import assert from "node:assert/strict";
import { test } from "node:test";
import { asBuffer } from "../../src/common/as-buffer.ts";

test("a Buffer stays the Buffer that it is", () => {
  const buffer = Buffer.from("text");
  assert.equal(asBuffer(buffer), buffer);
});

test("other bytes, also part of an array, are the same memory as a Buffer", () => {
  const all = Uint8Array.of(1, 2, 3, 4);
  const buffer = asBuffer(all.subarray(1, 3));
  assert.deepEqual([...buffer], [2, 3]);
  all[1] = 9;
  assert.equal(buffer.toString("base64"), "CQM=");
});
