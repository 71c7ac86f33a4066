// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { indexMutants } from "./index-mutants.ts";

test("each bug planted in the index file is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(indexMutants.length >= 3);
  await huntAll(indexMutants);
});
