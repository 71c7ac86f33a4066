import assert from "node:assert/strict";
import { test } from "node:test";
import { groupOf, type ReplicaGroup } from "../../support/replica-group.ts";

test("a silent standby is dropped from the in-sync set before a write is acknowledged without it", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2");
  let inSyncAtAcknowledgement: number[] = [];
  await group.clock.settled(
    group.put(1, "a", "1").then(() => {
      inSyncAtAcknowledgement = group.inSync;
    }),
  );
  assert.deepEqual(inSyncAtAcknowledgement, [1]);
  assert.deepEqual(group.contents(2), []);
});

test("a primary says which standby it cannot feed, and why, once; and when it can again", async () => {
  const group = await groupOf([1, 2]);
  const { clock, settings } = group;
  group.onMessage = async () => {
    throw new Error("this is not node 2");
  };
  await clock.pass(settings.standbyTimeoutMs - 200);
  assert.deepEqual(linesOfFeeding(group), []);
  await clock.pass(100_000);
  const reason = "1: node 2 at host:2 cannot be fed: this is not node 2";
  assert.deepEqual(linesOfFeeding(group), [reason]);
  assert.ok(group.log.includes("1: node 2 has not answered for 1000 ms: going on without it"));
  group.onMessage = async () => {
    throw new Error("no room");
  };
  await clock.pass(1000);
  group.onMessage = undefined;
  await clock.pass(1000);
  assert.deepEqual(linesOfFeeding(group), [
    reason,
    "1: node 2 at host:2 cannot be fed: no room",
    "1: node 2 at host:2 can be fed again",
  ]);
});

test("a primary says that a standby has left, not that it does not answer", async () => {
  const group = await groupOf([1, 2]);
  group.crash(2);
  group.forget(2);
  group.tell();
  await group.clock.until("node 2 is dropped", () => group.inSync.length === 1);
  assert.deepEqual(
    group.log.filter((line) => line.includes("node 2")),
    ["1: node 2 has left (it is not registered): going on without it"],
  );
});

function linesOfFeeding(group: ReplicaGroup): string[] {
  return group.log.filter((line) => line.includes("fed"));
}

test("a read that waits for a silent standby is answered as soon as that is dropped", async () => {
  const group = await groupOf([1, 2]);
  const { clock, settings } = group;
  await clock.settled(group.put(1, "a", "1"));
  group.cut.add("1>2");
  await clock.pass(settings.leaseMs);
  let inSyncAtAnswer: number[] = [];
  const read = group.get(1, "a").then(() => {
    inSyncAtAnswer = group.inSync;
  });
  await clock.until("node 2 is dropped", () => group.inSync.length === 1);
  await clock.pass(0);
  assert.deepEqual(inSyncAtAnswer, [1]);
  await read;
});

test("while ZooKeeper is away no standby can be dropped, and a write waits for it", async () => {
  const group = await groupOf([1, 2]);
  group.registerFault = "down";
  group.cut.add("1>2");
  let acknowledged = false;
  const write = group.put(1, "a", "1").then(() => {
    acknowledged = true;
  });
  await group.clock.pass(20_000);
  assert.equal(acknowledged, false);
  group.registerFault = "none";
  await group.clock.settled(write);
  assert.deepEqual(group.inSync, [1]);
});

test("without ZooKeeper a healthy group serves reads and writes", async () => {
  const group = await groupOf([1, 2]);
  group.registerFault = "down";
  await group.clock.pass(60_000);
  await group.clock.settled(group.put(1, "a", "1"));
  assert.equal(await group.clock.settled(group.get(1, "a")), "1");
});

test("when the answer to a drop is lost, the write waits until the outcome is known", async () => {
  for (const fault of ["lose-answer", "lose-request"] as const) {
    const group = await groupOf([1, 2]);
    group.cut.add("1>2");
    group.registerFault = fault;
    await group.clock.settled(group.put(1, "a", "1"));
    assert.deepEqual(group.inSync, [1], fault);
  }
});

test("while ZooKeeper is away, the log mentions a silent standby once", async () => {
  const group = await groupOf([1, 2]);
  group.registerFault = "down";
  group.cut.add("1>2");
  await group.clock.pass(60_000);
  assert.equal(group.log.filter((line) => line.includes("going on without it")).length, 1);
});
