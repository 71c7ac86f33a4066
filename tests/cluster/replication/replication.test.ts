import assert from "node:assert/strict";
import { test } from "node:test";
import { batchBytesMax } from "../../../src/cluster/replication/settings.ts";
import { groupOf, type ReplicaGroup } from "../../support/replica-group.ts";

const never = new AbortController().signal;

test("the first node of a group becomes its primary and serves alone", async () => {
  const group = await groupOf([1]);
  const revision = await group.clock.settled(group.put(1, "a", "1"));
  assert.equal(await group.get(1, "a"), "1");
  assert.ok((await group.clock.settled(group.put(1, "a", "2"))) > revision);
});

test("a write is acknowledged only once every in-sync standby has it on disk", async () => {
  const group = await groupOf([1, 2, 3]);
  const disk = Promise.withResolvers<void>();
  group.store(3).hold = disk.promise;
  let acknowledged = false;
  const write = group.put(1, "a", "1").then(() => {
    acknowledged = true;
  });
  await group.clock.until("node 2 has the record", () => group.contents(2).includes("a=1"));
  await group.clock.pass(group.settings.standbyTimeoutMs / 2);
  assert.equal(acknowledged, false);
  disk.resolve();
  await group.clock.settled(write);
  assert.deepEqual(group.contents(3), ["a=1"]);
});

test("a write that the log cannot hold is refused, and counts for nothing", async () => {
  const group = await groupOf([1, 2]);
  const before = await group.clock.settled(group.put(1, "a", "1"));
  group.store(1).refusal = new RangeError("too long");
  const refused = group.put(1, "a", "2");
  const behind = group.put(1, "b", "3");
  await assert.rejects(group.clock.settled(refused), { code: "invalid", message: "too long" });
  assert.equal(await group.clock.settled(behind), before + 1);
  assert.equal(await group.get(1, "a"), "1");
  assert.deepEqual(group.failures, []);
});

test("a primary whose log takes nothing more acknowledges nothing more, and ends its process", async () => {
  const group = await groupOf([1, 2]);
  group.store(1).refusal = new Error("it is closed");
  await assert.rejects(group.clock.settled(group.put(1, "a", "1")), { code: "unavailable" });
  await assert.rejects(group.clock.settled(group.put(1, "b", "2")), { code: "unavailable" });
  assert.deepEqual(group.failures, ["1: Error: it is closed"]);
});

test("a primary whose log loses what it has taken acknowledges nothing more, and ends its process", async () => {
  const group = await groupOf([1, 2]);
  const disk = Promise.withResolvers<void>();
  group.store(1).hold = disk.promise;
  const writes = Promise.allSettled(["a", "b"].map((key) => group.put(1, key, "1")));
  disk.reject(new Error("it is gone"));
  const codes = (await group.clock.settled(writes)).map(
    (end) => end.status === "rejected" && end.reason.code,
  );
  assert.deepEqual(codes, ["outcome-unknown", "outcome-unknown"]);
  assert.deepEqual(group.failures, ["1: Error: it is gone"]);
});

test("a write that is not committed yet cannot be read", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "old"));
  const disk = Promise.withResolvers<void>();
  group.store(2).hold = disk.promise;
  const write = group.put(1, "a", "new");
  await group.clock.pass(10);
  assert.equal(await group.get(1, "a"), "old");
  disk.resolve();
  await group.clock.settled(write);
  assert.equal(await group.get(1, "a"), "new");
});

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

test("of a standby that has left, a primary does not say that it does not answer", async () => {
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

test("after the primary's crash a standby serves every acknowledged write", async () => {
  const group = await groupOf([1, 2]);
  for (const key of ["a", "b", "c"]) await group.clock.settled(group.put(1, key, key));
  await group.clock.settled(group.delete(1, "b"));
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.until("node 2 serves", () => group.serves(2));
  assert.equal(await group.get(2, "a"), "a");
  await assert.rejects(group.get(2, "b"), { code: "not-found" });
  assert.deepEqual(group.inSync, [2]);
});

test("a primary is not waited for by the one that takes its place", async () => {
  const group = await groupOf([1, 2, 3]);
  group.crash(1);
  group.forget(1);
  group.promote();
  const beganMs = group.clock.monotonicMs();
  await group.clock.until("node 2 serves", () => group.serves(2));
  await group.clock.settled(group.put(2, "a", "1"));
  assert.ok(group.clock.monotonicMs() - beganMs < group.settings.standbyTimeoutMs);
  assert.deepEqual(group.inSync, [2, 3]);
});

test("an in-sync standby that is not registered at a promotion stays in sync if it comes back in time", async () => {
  const group = await groupOf([1, 2, 3]);
  await group.clock.settled(group.put(1, "a", "1"));
  for (const number of [1, 3]) {
    group.crash(number);
    group.forget(number);
  }
  group.promote();
  await group.start(3);
  await group.clock.until("node 2 serves", () => group.serves(2));
  assert.deepEqual(group.inSync, [2, 3]);
});

test("a primary that loses its session just after its standby died comes back with every write", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  // The standby is dead, and still registered: it is promoted.
  group.crash(2);
  group.forget(1);
  group.promote();
  group.crash(1);
  await group.start(1);
  group.forget(2);
  group.promote();
  await group.clock.until("node 1 serves", () => group.serves(1));
  assert.equal(await group.get(1, "a"), "1");
});

test("of a standby that stays silent while ZooKeeper is away the log tells once", async () => {
  const group = await groupOf([1, 2]);
  group.registerFault = "down";
  group.cut.add("1>2");
  await group.clock.pass(60_000);
  assert.equal(group.log.filter((line) => line.includes("going on without it")).length, 1);
});

test("the old primary returns as a standby, and its unacknowledged end is cut back", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.cut.add("1>2");
  const lost = group.put(1, "lost", "x");
  lost.catch(() => {});
  await group.clock.pass(10);
  group.crash(1);
  await assert.rejects(lost, { code: "outcome-unknown" });
  assert.deepEqual(group.contents(1), ["a=1", "lost=x"]);
  group.forget(1);
  group.promote();
  await group.clock.until("node 2 serves", () => group.serves(2));
  await group.clock.settled(group.put(2, "b", "2"));
  group.cut.clear();
  await group.start(1);
  await group.clock.until("node 1 is in sync", () => group.inSync.includes(1));
  assert.deepEqual(group.contents(1), ["a=1", "b=2"]);
});

test("a primary that was replaced while it was cut off acknowledges nothing and steps down", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2").add("2>1");
  group.forget(1);
  group.promote([2]);
  const write = group.put(1, "a", "stale");
  await assert.rejects(group.clock.settled(write), { code: "outcome-unknown" });
  assert.equal(group.isPrimary(1), false);
  await group.clock.until("node 2 serves", () => group.serves(2));
  await assert.rejects(group.get(2, "a"), { code: "not-found" });
});

test("a cut-off primary answers no read once another may serve", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "old"));
  group.registerFault = "down";
  group.cut.add("1>2").add("2>1");
  const lastRead = await group.get(1, "a");
  assert.equal(lastRead, "old");
  await group.clock.pass(group.settings.leaseMs + 1);
  await assert.rejects(group.clock.settled(group.get(1, "a")), { code: "unavailable" });
});

test("a standby that becomes primary waits until the old one can rely on it no longer", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  // Node 1 is alive and hears nothing of this.
  group.cut.add("1>2");
  group.replace(2, [2]);
  await group.clock.until("node 2 has begun", () => group.isPrimary(2));
  await group.clock.pass(group.settings.leaseMs * 0.9);
  assert.equal(group.serves(2), false);
  await group.clock.until("node 2 serves", () => group.serves(2));
});

test("a node that joins catches up while writes go on, and is in sync only with everything", async () => {
  const group = await groupOf([1]);
  for (let i = 0; i < 50; i++) await group.clock.settled(group.put(1, `k${i}`, "v"));
  let violated = false;
  group.onMessage = () => {
    const behind = group.store(2).durable.seq < group.primary(1).committedSeq;
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

test("a node that history no longer reaches gets a full copy, and goes on from there", async () => {
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

test("a standby whose log is damaged leaves the in-sync set first, and is mended by a full copy", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.crash(2);
  group.forget(2);
  group.store(2).condition = { kind: "damaged", line: 3, reason: "flipped" };
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
  group.store(1).condition = { kind: "damaged", line: 3, reason: "flipped" };
  await assert.rejects(group.start(1), { name: "RejoinRefused", message: /line 3.*kvlab log repair/ });
});

test("after a full stop a standby that was not in sync is not promoted, however early it returns", async () => {
  const group = await groupOf([1, 2]);
  group.crash(2);
  group.forget(2);
  await group.clock.settled(group.put(1, "a", "1"));
  assert.deepEqual(group.inSync, [1]);
  group.crash(1);
  group.forget(1);
  await group.start(2);
  group.promote();
  await group.clock.pass(60_000);
  assert.equal(group.isPrimary(2), false);
  await group.start(1);
  group.promote();
  await group.clock.until("node 1 serves", () => group.serves(1));
  assert.equal(await group.get(1, "a"), "1");
});

test("after a full stop the in-sync nodes return in any order with every acknowledged write", async () => {
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    const group = await groupOf([1, 2]);
    await group.clock.settled(group.put(1, "a", "1"));
    for (const number of [1, 2]) {
      group.crash(number);
      group.forget(number);
    }
    for (const number of order) {
      await group.start(number);
      group.promote();
    }
    const first = await group.clock.until("one of them serves", () => order.find((n) => group.serves(n)));
    assert.equal(await group.clock.settled(group.get(first, "a")), "1");
    await group.clock.until("both are in sync", () => group.inSync.length === 2);
  }
});

test("fewer in-sync nodes than minsync take no write, and reads go on", async () => {
  const group = await groupOf([1, 2], { minSync: 2 });
  await group.clock.settled(group.put(1, "a", "1"));
  group.cut.add("1>2");
  const caller = new AbortController();
  const abandoned = assert.rejects(group.put(1, "a", "2", caller.signal), { code: "outcome-unknown" });
  await group.clock.pass(10);
  caller.abort();
  await abandoned;
  await group.clock.until("node 2 is dropped", () => !group.inSync.includes(2));
  await assert.rejects(group.clock.settled(group.put(1, "b", "1")), { code: "unavailable" });
  assert.equal(await group.clock.settled(group.get(1, "a")), "1");
  group.cut.clear();
  await group.clock.until("node 2 is back", () => group.inSync.includes(2));
  await group.clock.settled(group.put(1, "b", "1"));
});

test("a primary whose time is over commits nothing, whatever it has those cut off that are not in sync any more", async () => {
  const group = await groupOf([1, 2, 3]);
  // Node 2 has the record, node 3 has not: so it is not committed.
  group.cut.add("1>3");
  const write = group.put(1, "a", "1");
  const unknown = assert.rejects(write, { code: "outcome-unknown" });
  await group.clock.until("node 2 has the record", () => group.contents(2).includes("a=1"));
  // Node 3 is made primary. While it waits for the lease of the one before, that is primary again, and only that knows.
  group.apart.add(3);
  group.cut.add("1>2").add("3>1").add("3>2");
  group.replace(3, [3]);
  group.replace(1, [1]);
  await unknown;
  await group.clock.until("node 1 goes on without the others", () => group.serves(1));
  assert.deepEqual(group.inSync, [1]);
  assert.equal(await group.get(1, "a"), "1");
  // Node 2 hears of the epoch between first, and follows it.
  group.cut.delete("3>2");
  await group.clock.until("node 2 has the log of node 3", () => group.store(2).last.epoch === 2);
  assert.deepEqual(group.contents(2), []);
  await group.clock.pass(60_000);
  assert.equal(group.serves(3), false);
  // Neither can take over without node 1.
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.pass(60_000);
  assert.deepEqual(
    [2, 3].filter((number) => group.serves(number)),
    [],
  );
  // They take its log, once they hear of it.
  await group.start(1);
  group.apart.clear();
  group.cut.clear();
  group.tell();
  group.promote();
  await group.clock.until("all are in sync", () => group.inSync.length === 3);
  for (const number of [1, 2, 3]) assert.deepEqual(group.contents(number), ["a=1"]);
});

test("a primary's messages of an earlier epoch are refused", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  await group.store(2).promise(99);
  await group.clock.until("node 1 has stepped down", () => !group.isPrimary(1));
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

test("a delete of a missing key is refused only once the deletes before it are committed", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  const disk = Promise.withResolvers<void>();
  group.store(2).hold = disk.promise;
  const order: string[] = [];
  const first = group.delete(1, "a").then(() => order.push("deleted"));
  const second = group.delete(1, "a").catch((error) => order.push(error.code));
  await group.clock.pass(10);
  assert.deepEqual(order, []);
  disk.resolve();
  await group.clock.settled(Promise.all([first, second]));
  assert.deepEqual(order, ["deleted", "condition-failed"]);
});

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

test("a hand-over loses and refuses no write: those that come meanwhile are for the new primary", async () => {
  const group = await groupOf([1, 2]);
  const before = Promise.all(["a", "b", "c"].map((key) => group.put(1, key, key)));
  const transferLeadership = group.primary(1).transferLeadership(2, never);
  const meanwhile = assert.rejects(group.put(1, "d", "d"), { code: "unavailable" });
  assert.equal(await group.clock.settled(transferLeadership), 2);
  await group.clock.settled(before);
  await meanwhile;
  await group.clock.until("node 2 serves", () => group.serves(2));
  assert.deepEqual(group.contents(2), ["a=a", "b=b", "c=c"]);
  assert.deepEqual(group.inSync, [1, 2]);
});

test("a hand-over to a node that is not in sync is refused, and changes nothing", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2");
  await group.clock.until("node 2 is dropped", () => !group.inSync.includes(2));
  for (const number of [1, 2, 3]) {
    await assert.rejects(group.primary(1).transferLeadership(number, never), { code: "refused" });
  }
  await group.clock.settled(group.put(1, "a", "1"));
});

test("a hand-over that ZooKeeper does not take leaves the primary as it was", async () => {
  const group = await groupOf([1, 2]);
  group.registerFault = "down";
  await assert.rejects(group.clock.settled(group.primary(1).transferLeadership(2, never)), {
    code: "unavailable",
  });
  await group.clock.settled(group.put(1, "a", "1"));
  assert.equal(group.state?.value.epoch, 1);
});

test("a hand-over to a standby that is dropped meanwhile is given up", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2");
  const write = group.put(1, "a", "1");
  const transferLeadership = group.primary(1).transferLeadership(2, never);
  await assert.rejects(group.clock.settled(transferLeadership), { code: "unavailable" });
  await group.clock.settled(write);
  assert.equal(group.state?.value.epoch, 1);
  assert.deepEqual(group.inSync, [1]);
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
