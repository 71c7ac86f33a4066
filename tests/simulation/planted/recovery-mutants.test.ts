// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { recoveryMutants } from "./recovery-mutants.ts";

test("each bug planted in recoveries is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(recoveryMutants.length >= 6);
  await huntAll(recoveryMutants);
});
