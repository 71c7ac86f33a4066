import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describe as described } from "../../src/cli/transfer/progress.ts";

describe("the progress of an import", () => {
  const half = [
    { atMs: 0, count: 0, part: 0.25 },
    { atMs: 10_000, count: 50_000, part: 0.5 },
  ];

  it("is a bar with count, rate and time left on a terminal", () => {
    const line = described(half, "lines", 80);
    assert.equal(line, "[###################------------------]  50 %  50,000 lines  5,000/s  0:20 left");
    assert.ok(line.length < 80);
  });

  it("is a line of the same facts elsewhere, and on a narrow terminal", () => {
    assert.equal(described(half, "lines"), "50 %  50,000 lines  5,000/s  0:20 left");
    assert.equal(described(half, "lines", 45), " 50 %  50,000 lines  5,000/s  0:20 left");
    assert.equal(described(half, "lines", 20).length, 19);
  });

  it("shows no percentage when the whole is unknown, and no time left without progress", () => {
    const unknown = half.map((sample) => ({ ...sample, part: undefined }));
    assert.equal(described(unknown, "keys", 80), "50,000 keys  5,000/s");
    const stalled = half.map((sample) => ({ ...sample, count: 7, part: 0.5 }));
    assert.equal(described(stalled, "keys"), "50 %  7 keys  0/s  --:-- left");
  });
});
