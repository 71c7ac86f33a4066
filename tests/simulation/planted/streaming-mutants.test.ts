// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { huntAll } from "./hunt-all.ts";
import { streamingMutants } from "./streaming-mutants.ts";

test("each bug planted in replication with several messages on the way is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(streamingMutants.length >= 6);
  await huntAll(streamingMutants);
});
