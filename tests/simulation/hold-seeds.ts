import assert from "node:assert/strict";
import { type CallKind, callKinds } from "./clients/uses.ts";
import { faultKinds } from "./faults/plan.ts";
import { runSeed } from "./run.ts";
import { shrink } from "./shrink.ts";
import { tellStory } from "./story.ts";

/** Fails with the story of the first seed that does not hold; and when too little happens for that to mean anything. */
export async function holdSeeds(from: number, seeds: number): Promise<void> {
  const counts = new Map<string, number>();
  for (let seed = from; seed < from + seeds; seed++) {
    const result = await runSeed(seed);
    for (const [what, times] of result.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    if (result.violation === undefined) continue;
    const shrunk = await shrink(seed);
    assert.fail(shrunk === undefined ? result.violation : tellStory(shrunk.result, shrunk.plan).join("\n"));
  }
  const calls = counts.get("call ok") ?? 0;
  assert.ok(calls > 100 * seeds, `only ${calls} calls have succeeded in ${seeds} runs`);
  for (const kind of faultKinds) assert.ok((counts.get(`fault ${kind}`) ?? 0) > 0, `no fault was: ${kind}`);
  const uses = [
    "request forgotten",
    "request answered again",
    "scan continued",
    "scan merged by a router",
    "watch told",
    "watch resumed",
    "watch history lost",
    "keys moved",
  ];
  for (const what of [...callKinds.map(outcomeOf), ...uses]) {
    assert.ok((counts.get(what) ?? 0) > 0, `this has not happened: ${what}`);
  }
}

/** How the history calls what becomes of a kind of calls when all is well. */
function outcomeOf(kind: CallKind): string {
  return `${kind === "conditional" ? "batch" : kind} ok`;
}
