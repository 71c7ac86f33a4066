// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { cutMutants } from "./cut-mutants.ts";
import { huntAll } from "./hunt-all.ts";

test("each bug planted in cutting a log back is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(cutMutants.length >= 7);
  await huntAll(cutMutants);
});
