// runtimes: bun
// alone: it keeps both cores busy with simulations.
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { mutants } from "./mutants.ts";

test("each planted bug is caught within the stated number of seeds", { timeout: 390_000 }, async () => {
  assert.ok(mutants.length >= 15);
  await huntAll(mutants);
});
