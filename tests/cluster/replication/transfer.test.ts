import assert from "node:assert/strict";
import { test } from "node:test";
import { groupOf } from "../../support/replica-group.ts";

const never = new AbortController().signal;

test("a leadership transfer loses and refuses no write: writes that come meanwhile are for the new primary", async () => {
  const group = await groupOf([1, 2]);
  const before = Promise.all(["a", "b", "c"].map((key) => group.put(1, key, key)));
  const transfer = group.primary(1).transferLeadership(2, never);
  const meanwhile = assert.rejects(group.put(1, "d", "d"), { code: "unavailable" });
  assert.equal(await group.clock.settled(transfer), 2);
  await group.clock.settled(before);
  await meanwhile;
  await group.clock.until("node 2 serves", () => group.serves(2));
  assert.deepEqual(group.contents(2), ["a=a", "b=b", "c=c"]);
  assert.deepEqual(group.inSync, [1, 2]);
});

test("a leadership transfer to a node that is not in sync is refused, and changes nothing", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2");
  await group.clock.until("node 2 is dropped", () => !group.inSync.includes(2));
  for (const number of [1, 2, 3]) {
    await assert.rejects(group.primary(1).transferLeadership(number, never), { code: "refused" });
  }
  await group.clock.settled(group.put(1, "a", "1"));
});

test("a leadership transfer that ZooKeeper does not take leaves the primary as it was", async () => {
  const group = await groupOf([1, 2]);
  group.registerFault = "down";
  await assert.rejects(group.clock.settled(group.primary(1).transferLeadership(2, never)), {
    code: "unavailable",
  });
  await group.clock.settled(group.put(1, "a", "1"));
  assert.equal(group.state?.value.epoch, 1);
});

test("a leadership transfer to a standby that is dropped meanwhile is given up", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2");
  const write = group.put(1, "a", "1");
  const transfer = group.primary(1).transferLeadership(2, never);
  await assert.rejects(group.clock.settled(transfer), { code: "unavailable" });
  await group.clock.settled(write);
  assert.equal(group.state?.value.epoch, 1);
  assert.deepEqual(group.inSync, [1]);
});
