// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { leadershipMutants } from "./leadership-mutants.ts";

test("each bug planted in leases, epochs, promotions and transfers is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(leadershipMutants.length >= 14);
  await huntAll(leadershipMutants);
});
