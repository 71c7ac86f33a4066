import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pace } from "../../../../src/cluster/storage/rewrite/beside-calls.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

/** How long a rest is after a step that took `stepMs`. */
async function restAfter(stepMs: number, { appended }: { readonly appended: number }): Promise<number> {
  const clock = new VirtualClock();
  const last = { seq: 7 };
  const rest = pace({ options: { clock }, positions: { last } });
  await clock.pass(20);
  await clock.settled(rest());
  last.seq += appended;
  await clock.pass(stepMs);
  const begunMs = clock.monotonicMs();
  await clock.settled(rest());
  return clock.monotonicMs() - begunMs;
}

describe("what goes on beside calls", () => {
  it("has a tenth of the time while records are appended, and a quarter while none are", async () => {
    assert.equal(await restAfter(5, { appended: 1 }), 45);
    assert.equal(await restAfter(5, { appended: 0 }), 15);
  });

  it("rests also after a step too short to measure, and never for long", async () => {
    assert.equal(await restAfter(0, { appended: 1 }), 1);
    assert.equal(await restAfter(5000, { appended: 1 }), 100);
  });
});
