// runtimes: bun
import assert from "node:assert/strict";
import { test } from "node:test";
import { faultKinds } from "./plan.ts";
import { runSeed } from "./run.ts";
import { shrink } from "./shrink.ts";
import { tellStory } from "./story.ts";

const seeds = 500;

test(`${seeds} clusters under faults lose nothing, answer nothing stale, and recover`, {
  timeout: 390_000,
}, async () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runSeed(seed);
    for (const [what, times] of result.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    if (result.violation === undefined) continue;
    const shrunk = await shrink(seed);
    assert.fail(shrunk === undefined ? result.violation : tellStory(shrunk.result, shrunk.plan).join("\n"));
  }
  // Nobody is helped by clusters to which nothing happens.
  assert.ok((counts.get("call ok") ?? 0) > 100 * seeds, `${counts.get("call ok")} calls have succeeded`);
  for (const fault of faultKinds)
    assert.ok((counts.get(`fault ${fault}`) ?? 0) > 10, `too little of: ${fault}`);
});
