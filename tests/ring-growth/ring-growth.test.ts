import assert from "node:assert/strict";
import { after, test } from "node:test";
import { GrowingRing } from "./growing-ring.ts";
import { growthSteps } from "./growth-steps.ts";

// The original's scenario, grown: groups enter, groups leave, the virtual nodes change, all of it under load. One test
// continues where the one before has ended. `npm run ring-growth` is the same with more load.

const timeout = 120_000;
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const growing = await GrowingRing.start({ clients: 6, watchers: 10, keys: 120 });
after(() => growing.close());

for (const { title, groups, change } of growthSteps) {
  test(`${title}, under load`, { timeout }, async () => {
    await growing.change(() => change(growing), groups);
  });
}

test("no call has failed, and the history of every key is linearizable", { timeout }, async () => {
  await growing.assertLinearizable();
});

test("every key is where the ring says and nowhere else", { timeout }, async () => {
  const counts = await growing.assertPlaced();
  for (const drained of ["zdata1", "zdata2"]) assert.equal(counts.get(drained), 0);
});

test("every watch was told each change once", { timeout }, async () => {
  await growing.assertTold();
});
