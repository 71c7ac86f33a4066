import assert from "node:assert/strict";
import { test } from "node:test";
import { SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

test("what comes just after a pause is handled after what has come during it", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const trace = new Trace(false);
    const scheduler = new Scheduler(seed, trace);
    const process = new SimProcess("node", 1, seed, scheduler, trace);
    const handled: number[] = [];
    const sent = Array.from({ length: 100 }, (_, index) => index / 50);
    for (const atMs of sent)
      scheduler.after(atMs, "sent", () => process.receive("message", () => handled.push(atMs)));
    for (const [atMs, change] of [
      [0.3, "pause"],
      [1, "resume"],
      [1.1, "pause"],
      [1.2, "resume"],
    ] as const)
      scheduler.after(atMs, change, () => process[change]());
    await scheduler.runUntil(10, () => false);
    assert.deepEqual(handled, sent);
  }
});
