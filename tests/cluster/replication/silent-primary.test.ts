import assert from "node:assert/strict";
import { test } from "node:test";
import { groupOf } from "../../support/replica-group.ts";

test("an in-sync standby that hears nothing of its primary takes its place in less than a second", async () => {
  const group = await groupOf([1, 2, 3]);
  group.replacesSilent = true;
  await group.clock.settled(group.put(1, "a", "1"));
  const crashedMs = group.clock.monotonicMs();
  group.crash(1);
  const next = await group.clock.until("another serves", () => [2, 3].find((number) => group.serves(number)));
  assert.ok(group.clock.monotonicMs() - crashedMs < 1000);
  assert.equal(await group.clock.settled(group.get(next, "a")), "1");
  assert.ok(!group.inSync.includes(1));
});

test("a primary that was silent, but alive, comes back as a standby and is not replaced again", async () => {
  const group = await groupOf([1, 2]);
  group.replacesSilent = true;
  group.cut.add("1>2").add("2>1");
  await group.clock.until("node 2 serves", () => group.serves(2));
  group.cut.clear();
  await group.clock.until("both are in sync again", () => group.inSync.length === 2);
  const epoch = group.state?.value.epoch;
  await group.clock.pass(60_000);
  assert.equal(group.state?.value.epoch, epoch);
  assert.equal(group.isPrimary(1), false);
});

test("a standby that is not in sync does not ask to take its primary's place", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2");
  await group.clock.until("node 2 is dropped", () => !group.inSync.includes(2));
  group.replacesSilent = true;
  await group.clock.pass(60_000);
  assert.equal(group.isPrimary(1), true);
  assert.equal(group.state?.value.epoch, 1);
});

test("a healthy primary is left alone, however long it is idle", async () => {
  const group = await groupOf([1, 2, 3]);
  group.replacesSilent = true;
  await group.clock.pass(600_000);
  assert.equal(group.state?.value.epoch, 1);
});
