// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { momentOf } from "./moment.ts";

const output = `2030-01-02T03:04:05.006Z log opened
2030-01-02T03:04:06.007Z listening on 127.0.0.1:1
2030-01-02T03:04:07.008Z listening on 127.0.0.1:2
`;

test("the moment of a text is that of the first line that has it", () => {
  assert.equal(momentOf(output, "listening on"), Date.UTC(2030, 0, 2, 3, 4, 6, 7));
});

test("a text that was never written has no moment", () => {
  assert.equal(momentOf(output, "registered as"), Number.NaN);
});
