import assert from "node:assert/strict";
import { test } from "node:test";
import { groupOf, putOf } from "../../support/replica-group.ts";

const refused = { code: "exhausted", message: /disk of the group's primary is full/ };

test("a primary without room refuses writes as not applied, answers reads, and takes writes when there is room", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.disk(1).isFull = true;
  await group.clock.settled(assert.rejects(group.put(1, "a", "2"), refused));
  assert.equal(await group.get(1, "a"), "1");
  await group.clock.pass(10_000);
  assert.equal(await group.get(1, "a"), "1");
  assert.deepEqual(group.inSync, [1, 2]);
  assert.deepEqual([group.contents(1), group.contents(2)], [["a=1"], ["a=1"]]);

  group.disk(1).isFull = false;
  const revision = await group.clock.settled(group.put(1, "a", "3"));
  assert.equal(await group.get(1, "a"), "3");
  assert.equal(revision, 3);
  assert.deepEqual(group.contents(2), ["a=1", "a=3"]);
});

test("what was decided on a write that is then withdrawn is refused with it", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.disk(1).isFull = true;
  const requestId = { id: "r", afterRevision: 1 };
  const waiting = [
    group.write(1, { operations: [putOf("a", "2")], requestId }),
    // The same once more; one whose condition the first has broken; one that finds nothing to do.
    group.write(1, { operations: [putOf("a", "2")], requestId }),
    group.write(1, {
      compares: [{ key: "a", condition: { kind: "revision", revision: 2 } }],
      operations: [],
    }),
    group.write(1, { operations: [{ kind: "delete", key: "b" }] }),
  ];
  await group.clock.settled(Promise.all(waiting.map((write) => assert.rejects(write, refused))));
  group.disk(1).isFull = false;
  const revision = await group.clock.settled(
    group.write(1, {
      compares: [{ key: "a", condition: { kind: "revision", revision: 2 } }],
      operations: [putOf("a", "3")],
      requestId,
    }),
  );
  assert.equal(revision, 3);
});

test("a standby without room is dropped at once, says why, and comes back when there is room", async () => {
  const group = await groupOf([1, 2]);
  group.disk(2).isFull = true;
  const calledMs = group.clock.monotonicMs();
  await group.clock.settled(group.put(1, "a", "1"));
  assert.ok(group.clock.monotonicMs() - calledMs < group.settings.standbyTimeoutMs);
  assert.deepEqual(group.inSync, [1]);
  assert.deepEqual(
    group.log.filter((line) => line.includes("no room")),
    ["1: node 2 has no room on its disk: going on without it"],
  );
  assert.equal(group.primary(1).standbys[0]?.diskFull, true);
  assert.equal(group.primary(1).standbys[0]?.state, "paused");
  await group.clock.pass(60_000);
  assert.deepEqual(group.inSync, [1]);
  group.disk(2).isFull = false;
  await group.clock.until("node 2 is in sync again", () => group.inSync.length === 2);
  assert.deepEqual(group.contents(2), ["a=1"]);
  assert.equal(group.primary(1).standbys[0]?.diskFull, false);
  assert.equal(group.primary(1).standbys[0]?.state, "replicate");
});

test("a standby without room that cannot be dropped keeps its lease: reads go on", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.disk(2).isFull = true;
  group.registerFault = "down";
  let isDone = false;
  const write = group.put(1, "a", "2").then(() => {
    isDone = true;
  });
  for (let i = 0; i < 20; i++) {
    await group.clock.pass(500);
    const read = group.get(1, "a");
    assert.equal(await group.clock.settled(read), "1");
  }
  assert.equal(isDone, false);
  group.registerFault = "none";
  await group.clock.settled(write);
  assert.deepEqual(group.inSync, [1]);
});

test("a new primary without room begins its epoch when there is some", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.disk(2).isFull = true;
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.pass(5000);
  assert.equal(group.isPrimary(2) && group.serves(2), false);
  group.disk(2).isFull = false;
  await group.clock.until("node 2 serves", () => group.isPrimary(2) && group.serves(2));
  assert.equal(await group.get(2, "a"), "1");
});

test("a new primary that finds room only after it was registered again begins nothing: it is not named in this life", async () => {
  const group = await groupOf([1, 2]);
  group.disk(2).isFull = true;
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.pass(5000);
  group.disk(2).isFull = false;
  await group.registerAgain(2);
  assert.equal(group.state?.value.primary, undefined);
  await group.clock.pass(5000);
  assert.equal(group.isPrimary(2), false);
  await group.start(1);
  group.promote();
  await group.clock.until("a primary serves", () => group.serves(1) || group.serves(2));
  await group.clock.until("both are in sync", () => group.inSync.length === 2);
  assert.equal(group.state?.value.epoch, 3);
  assert.deepEqual(group.failures, []);
});

test("a new primary that finds room begins its epoch also when the group's state could not be read meanwhile", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  group.disk(2).isFull = true;
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.pass(5000);
  const { state } = group;
  // As when somebody else has written to its znode, and then corrects it.
  group.state = undefined;
  group.tell();
  await group.clock.pass(5000);
  group.disk(2).isFull = false;
  group.state = state;
  group.tell();
  await group.clock.until("node 2 serves", () => group.serves(2));
  assert.equal(await group.get(2, "a"), "1");
});
