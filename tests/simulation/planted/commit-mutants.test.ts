// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { commitMutants } from "./commit-mutants.ts";
import { huntAll } from "./hunt-all.ts";

test("each bug planted in the way from a write to its acknowledgement is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(commitMutants.length >= 9);
  await huntAll(commitMutants);
});
