import assert from "node:assert/strict";
import { test } from "node:test";
import { apply } from "../../../src/cluster/replication/group-state.ts";
import { groupOf } from "../../support/replica-group.ts";

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

test("a primary that was cut off while its group was recovered is fed again, without what only it had", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.crash(2);
  group.forget(2);
  group.tell();
  await group.clock.settled(group.put(1, "lost", "1"));
  assert.deepEqual(group.inSync, [1]);
  // Its machine is cut off. Its process goes on.
  group.apart.add(1);
  group.cut.add("1>2").add("2>1");
  group.forget(1);
  const to = { number: 2, incarnation: group.nextIncarnation };
  await group.start(2);
  const { value, version } = group.state ?? assert.fail();
  group.state = { value: apply(value, { kind: "recover", to }), version: version + 1 };
  group.tell();
  await group.clock.until("node 2 serves", () => group.serves(2));
  await group.clock.settled(group.put(2, "b", "2"));
  group.apart.clear();
  group.cut.clear();
  await group.registerAgain(1);
  await group.clock.until("node 1 is in sync", () => group.inSync.includes(1));
  assert.deepEqual(group.contents(1), ["a=1", "b=2"]);
  assert.deepEqual(group.failures, []);
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
