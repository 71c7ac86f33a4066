// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { moveMutants } from "./move-mutants.ts";

test("each bug planted in how keys move is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(moveMutants.length >= 16);
  await huntAll(moveMutants);
});
