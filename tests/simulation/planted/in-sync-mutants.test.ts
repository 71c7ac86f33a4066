// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { inSyncMutants } from "./in-sync-mutants.ts";

test("each bug planted in who is in sync is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(inSyncMutants.length >= 8);
  await huntAll(inSyncMutants);
});
