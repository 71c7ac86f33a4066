import assert from "node:assert/strict";
import { test } from "node:test";
import { batchBytesMax } from "../../../src/cluster/replication/settings.ts";
import { groupOf } from "../../support/replica-group.ts";

test("a node that joins catches up while writes go on, and is in sync only with everything", async () => {
  const group = await groupOf([1]);
  for (let i = 0; i < 50; i++) await group.clock.settled(group.put(1, `k${i}`, "v"));
  let violated = false;
  group.onMessage = () => {
    const behind = group.store(2).durable.seq < group.primary(1).log.committedSeq;
    if (group.inSync.includes(2) && behind) violated = true;
  };
  await group.start(2);
  for (let i = 0; i < 50; i++) await group.clock.settled(group.put(1, `l${i}`, "v"));
  await group.clock.until("node 2 is in sync", () => group.inSync.includes(2));
  await group.clock.settled(group.put(1, "z", "v"));
  assert.equal(violated, false);
  assert.deepEqual(group.contents(2), group.contents(1));
});

test("a standby that lacks acknowledged writes does not join a primary that is still taking over", async () => {
  const group = await groupOf([1, 2, 3]);
  group.cut.add("1>3");
  // Each takes a message of its own.
  for (const key of ["a", "b", "c"]) await group.clock.settled(group.put(1, key, "x".repeat(batchBytesMax)));
  assert.deepEqual(group.inSync, [1, 2]);
  const acknowledgedSeq = group.store(2).last.seq;
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.until("node 3 is in sync", () => group.inSync.includes(3));
  assert.ok(group.store(3).durable.seq >= acknowledgedSeq);
});

test("while the outcome of its joining is unknown, a standby's acknowledgements are required", async () => {
  const group = await groupOf([1]);
  await group.clock.settled(group.put(1, "a", "1"));
  // The change is made, but nobody is told.
  let joined = false;
  group.registerFault = "lose-answer";
  await group.start(2);
  await group.clock.until("node 2 is in the state", () => {
    joined ||= group.state?.value.inSync.length === 2;
    return joined;
  });
  group.cut.add("1>2");
  let acknowledged = false;
  const write = group.put(1, "b", "2").then(() => {
    acknowledged = true;
  });
  await group.clock.pass(group.settings.standbyTimeoutMs / 2);
  assert.equal(acknowledged, false);
  await group.clock.settled(write);
  assert.deepEqual(group.inSync, [1]);
});

test("a node whose log ends before the history begins gets a snapshot, and goes on from there", async () => {
  const group = await groupOf([1]);
  for (let i = 0; i < 20; i++) await group.clock.settled(group.put(1, `k${i % 5}`, `v${i}`));
  await group.clock.settled(group.delete(1, "k0"));
  await group.store(1).compact();
  await group.start(2);
  await group.clock.until("node 2 is in sync", () => group.inSync.includes(2));
  assert.deepEqual(group.contents(2), ["k1=v16", "k2=v17", "k3=v18", "k4=v19"]);
  await group.clock.settled(group.put(1, "z", "1"));
  assert.equal(group.contents(2).at(-1), "z=1");
});

test("a standby whose log is damaged leaves the in-sync set first, and is repaired by a snapshot", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.crash(2);
  group.forget(2);
  group.disk(2).damage(group.store(2).last);
  await group.start(2);
  assert.deepEqual(group.inSync, [1]);
  await group.clock.until("node 2 is in sync", () => group.inSync.includes(2));
  assert.equal(group.store(2).condition.kind, "intact");
  assert.deepEqual(group.contents(2), ["a=1"]);
});

test("a lone node with a damaged log does not take part", async () => {
  const group = await groupOf([1]);
  group.crash(1);
  group.forget(1);
  group.disk(1).damage(group.store(1).last);
  await assert.rejects(group.start(1), { name: "RejoinRefused", message: /line \d+.*kvlab log repair/ });
});

test("a log of a later epoch than ZooKeeper knows is not taken for one of this cluster", async () => {
  const group = await groupOf([1]);
  group.crash(1);
  group.forget(1);
  group.state = { value: { epoch: 0, primary: undefined, inSync: [] }, version: 9 };
  await assert.rejects(group.start(1), { name: "RejoinRefused", message: /epoch 1.*zooaddr/ });
  group.state = undefined;
  await assert.rejects(group.start(1), { name: "RejoinRefused", message: /no state of its group/ });
});

test("a standby that registers anew while it joins is in the in-sync set once, with its new life", async () => {
  const group = await groupOf([1]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.registerFault = "lose-request";
  await group.start(2);
  await group.clock.until("the first attempt is lost", () => group.registerFault === "none");
  group.crash(2);
  group.forget(2);
  await group.start(2);
  await group.clock.until("node 2 is in sync", () => group.inSync.includes(2));
  assert.deepEqual(group.inSync, [1, 2]);
});
