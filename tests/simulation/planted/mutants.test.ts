// runtimes: bun
// alone: it keeps both cores busy with simulations.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commitMutants } from "./commit-mutants.ts";
import { cutMutants } from "./cut-mutants.ts";
import { huntAll } from "./hunt-all.ts";
import { inSyncMutants } from "./in-sync-mutants.ts";
import { leadershipMutants } from "./leadership-mutants.ts";
import { streamingMutants } from "./streaming-mutants.ts";

test("each planted bug is caught within the stated number of seeds", { timeout: 390_000 }, async () => {
  const planted = [
    ...leadershipMutants,
    ...inSyncMutants,
    ...commitMutants,
    ...cutMutants,
    ...streamingMutants,
  ];
  assert.ok(planted.length >= 41);
  await huntAll(planted);
});
