// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { seedOrder } from "./seed-order.ts";

test("a hunt tries every seed that it may, whatever the hint: a hint only says where to begin", () => {
  const all = [1, 2, 3, 4, 5];
  for (const hint of [undefined, 0, 1, 3, 5, 6, Number.NaN]) {
    assert.deepEqual([...seedOrder(5, hint)].sort(), all, `hint ${hint}`);
  }
  assert.equal(seedOrder(5, 3)[0], 3);
  assert.deepEqual(seedOrder(5, undefined), all);
});
