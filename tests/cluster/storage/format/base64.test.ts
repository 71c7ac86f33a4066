import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import {
  decodeBase64,
  decodeText,
  encodeBase64,
  encodeText,
} from "../../../../src/cluster/storage/format/base64.ts";

test("data of every length is encoded and decoded as the runtime does it", () => {
  const all = Buffer.from(Array.from({ length: 1100 }, (_, index) => (index * 151) & 255));
  for (let length = 0; length <= 1100; length++) {
    const data = all.subarray(1100 - length);
    const into = Buffer.alloc(1600, "-");
    const end = encodeBase64(data, into, 7);
    assert.equal(into.toString("latin1", 7, end), data.toString("base64"));
    assert.deepEqual(Buffer.from(decodeBase64(into, 7, end)), Buffer.from(data));
    assert.equal(into[6], "-".charCodeAt(0));
    assert.equal(into[end], "-".charCodeAt(0));
  }
});

test("a text of any length is encoded in its UTF-8 form, and found again", () => {
  for (const text of ["", "a", "ab", "abc", "ä€😀", "x".repeat(5000), "😀".repeat(3000), "\ufffd"]) {
    const into = Buffer.alloc(20_000);
    const end = encodeText(text, into, 3);
    assert.equal(into.toString("latin1", 3, end), Buffer.from(text).toString("base64"));
    assert.equal(decodeText(into, 3, end), text);
  }
});
