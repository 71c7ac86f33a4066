// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { keyMutants } from "./key-mutants.ts";
import { watchMutants } from "./watch-mutants.ts";

test("each bug planted in what clients do with keys is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  const planted = [...keyMutants, ...watchMutants];
  assert.ok(planted.length >= 25);
  await huntAll(planted);
});
