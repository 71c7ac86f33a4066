// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { identityMutants } from "./identity-mutants.ts";

test("each bug planted in what tells one log from another is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(identityMutants.length >= 7);
  await huntAll(identityMutants);
});
