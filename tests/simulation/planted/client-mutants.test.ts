// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientMutants } from "./client-mutants.ts";
import { huntAll } from "./hunt-all.ts";

test("each bug planted in clients and routers is caught within the stated number of seeds", {
  timeout: 390_000,
}, async () => {
  assert.ok(clientMutants.length >= 12);
  await huntAll(clientMutants);
});
