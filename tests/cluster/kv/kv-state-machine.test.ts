import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import { putOf, ReplicaGroup } from "../../support/replica-group.ts";

const never = new AbortController().signal;

/** A group of two nodes in sync, with node 1 as its primary. */
async function twoNodes(settings = {}, requestsMax?: number): Promise<ReplicaGroup> {
  const group = new ReplicaGroup(settings, requestsMax);
  for (const number of [1, 2]) await group.start(number);
  group.promote();
  await group.clock.until("node 1 serves and both are in sync", () => {
    return group.serves(1) && group.inSync.length === 2;
  });
  return group;
}

/** Node 1 is gone; node 2 serves in its place. */
async function failOver(group: ReplicaGroup): Promise<void> {
  group.crash(1);
  group.forget(1);
  group.promote();
  await group.clock.until("node 2 serves", () => group.serves(2));
}

test("a condition that does not hold refuses the write and tells the revision that there is", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const first = await clock.settled(group.put(1, "a", "1"));
  const compare = (condition: { kind: "revision"; revision: number } | { kind: "absent" | "present" }) =>
    clock.settled(group.write(1, { compares: [{ key: "a", condition }], operations: [putOf("a", "2")] }));
  const refused = { name: "OperationError", code: "condition-failed", key: "a" };
  await assert.rejects(compare({ kind: "absent" }), { ...refused, revision: first });
  await assert.rejects(compare({ kind: "revision", revision: first - 1 }), { ...refused, revision: first });
  const second = await compare({ kind: "revision", revision: first });
  assert.equal(await group.get(1, "a"), "2");
  await assert.rejects(compare({ kind: "revision", revision: first }), { ...refused, revision: second });
  await clock.settled(group.delete(1, "a"));
  await assert.rejects(compare({ kind: "present" }), { ...refused, revision: 0 });
  assert.ok((await compare({ kind: "absent" })) > second);
});

test("of writes that depend on the same revision only the first is done", async () => {
  const group = await twoNodes();
  const condition = { kind: "absent" as const };
  const attempts = ["x", "y", "z"].map((value) =>
    group.write(1, { compares: [{ key: "a", condition }], operations: [putOf("a", value)] }),
  );
  const outcomes = await group.clock.settled(Promise.allSettled(attempts));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "rejected"],
  );
  assert.equal(await group.get(1, "a"), "x");
});

test("a refusal is answered only once the write that it is about is committed", async () => {
  const group = await twoNodes();
  const disk = Promise.withResolvers<void>();
  group.disk(2).hold = disk.promise;
  const order: string[] = [];
  const first = group.put(1, "a", "1").then(() => order.push("written"));
  const compares = [{ key: "a", condition: { kind: "absent" as const } }];
  const second = group
    .write(1, { compares, operations: [putOf("a", "2")] })
    .catch((error) => order.push(error.code));
  await group.clock.pass(10);
  assert.deepEqual(order, []);
  disk.resolve();
  await group.clock.settled(Promise.all([first, second]));
  assert.deepEqual(order, ["written", "condition-failed"]);
});

test("a batch is one record: all of its changes have one revision, or none is done", async () => {
  const group = await twoNodes();
  const { clock } = group;
  await clock.settled(group.put(1, "old", "1"));
  const operations = [putOf("a", "1"), { kind: "delete" as const, key: "old" }, putOf("b", "2")];
  const revision = await clock.settled(group.write(1, { operations }));
  assert.equal(await group.get(1, "b"), "2");
  await assert.rejects(group.get(1, "old"), { code: "not-found" });
  const keys = group.keys(1);
  assert.equal((await keys.read("a", never)).revision, revision);
  assert.equal((await keys.read("b", never)).revision, revision);
  const compares = [{ key: "old", condition: { kind: "present" as const } }];
  await assert.rejects(
    clock.settled(group.write(1, { compares, operations: [putOf("a", "2"), putOf("c", "3")] })),
    {
      code: "condition-failed",
      key: "old",
      revision: 0,
    },
  );
  assert.equal(await group.get(1, "a"), "1");
  assert.deepEqual(group.contents(2), group.contents(1));
});

test("a request that is sent again is not done again, and has the answer of the first time", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const requestId = { id: "r1", afterRevision: 0 };
  const write = { compares: [{ key: "a", condition: { kind: "absent" as const } }], requestId };
  const first = await clock.settled(group.write(1, { ...write, operations: [putOf("a", "1")] }));
  const other = await clock.settled(group.put(1, "a", "2"));
  assert.equal(await clock.settled(group.write(1, { ...write, operations: [putOf("a", "1")] })), first);
  assert.ok(other > first);
  assert.equal(await group.get(1, "a"), "2");
});

test("a request that has found nothing to delete is not done when it comes again", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const remove = {
    operations: [{ kind: "delete" as const, key: "a" }],
    requestId: { id: "r1", afterRevision: 0 },
  };
  const first = await clock.settled(group.write(1, remove));
  await clock.settled(group.put(1, "a", "1"));
  // As when an earlier attempt was on its way for longer than the one that was answered.
  assert.equal(await clock.settled(group.write(1, remove)), first);
  assert.equal(await group.get(1, "a"), "1");
});

test("a request that may have been done before a failover is done once after it", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const done = { operations: [putOf("a", "1")], requestId: { id: "done", afterRevision: 0 } };
  // Both have it on disk, but the primary dies before it can say so.
  group.cut.add("2>1");
  const unheard = group.write(1, done);
  unheard.catch(() => {});
  await clock.until("node 2 has the record", () => group.contents(2).includes("a=1"));
  group.cut.clear();
  await failOver(group);
  await assert.rejects(unheard, { code: "outcome-unknown" });
  const revision = await clock.settled(group.write(2, done));
  assert.equal((await group.keys(2).read("a", never)).revision, revision);
  assert.deepEqual(group.contents(2), ["a=1"]);
});

test("a request from before what is remembered is refused, not repeated", async () => {
  const group = await twoNodes({}, 1);
  const { clock } = group;
  const old = { operations: [putOf("a", "1")], requestId: { id: "old", afterRevision: 0 } };
  await clock.settled(group.write(1, old));
  const later = { operations: [putOf("b", "1")], requestId: { id: "later", afterRevision: 0 } };
  await clock.settled(group.write(1, later));
  await assert.rejects(clock.settled(group.write(1, old)), {
    code: "request-forgotten",
    revision: group.store(1).last.seq,
  });
  assert.deepEqual(group.contents(1), ["a=1", "b=1"]);
  // What was certainly sent later for the first time cannot have been forgotten.
  const afterRevision = group.store(1).last.seq;
  const fresh = { operations: [putOf("a", "2")], requestId: { id: "new", afterRevision } };
  await clock.settled(group.write(1, fresh));
  assert.equal(await group.get(1, "a"), "2");
});

test("a request after a revision that the log does not reach is refused: it is done once under its new name", async () => {
  const group = await twoNodes({}, 1);
  const { clock } = group;
  // As a client knows it that has seen what an operator has given up since.
  const request = (key: string, id: string, afterRevision: number) => ({
    operations: [putOf(key, id)],
    requestId: { id, afterRevision },
  });
  const { seq } = group.store(1).last;
  await assert.rejects(clock.settled(group.write(1, request("a", "old", seq + 3))), {
    code: "request-forgotten",
    revision: seq,
  });
  const anew = request("a", "old", seq);
  await clock.settled(group.write(1, anew));
  for (const key of ["b", "c", "d"])
    await clock.settled(group.write(1, request(key, key, group.store(1).last.seq)));
  // It is forgotten by now, and comes a second time.
  await assert.rejects(clock.settled(group.write(1, anew)), { code: "request-forgotten" });
});

test("a refused request is told a revision that no failover takes back: named anew after it, it is done once", async () => {
  const group = await twoNodes({}, 1);
  const { clock } = group;
  const request = (key: string, id: string, afterRevision: number) => ({
    operations: [putOf(key, id)],
    requestId: { id, afterRevision },
  });
  await clock.settled(group.write(1, request("a", "first", 0)));
  // These stay on node 1, and are lost with it.
  group.cut.add("1>2");
  const lost = ["b", "c", "e", "f"].map((key) =>
    group.write(1, request(key, key, group.store(1).last.seq)).catch(() => {}),
  );
  const refused = group.write(1, request("d", "late", 0)).then(
    () => undefined,
    (error: OperationError) => error,
  );
  await clock.pass(50);
  await failOver(group);
  await Promise.all(lost);
  const error = (await clock.settled(refused)) ?? assert.fail("it was carried out");
  const known = error.code === "request-forgotten" ? error.revision : 0;
  const revision = await clock.settled(group.write(2, request("d", "late", known ?? 0)));
  assert.ok(revision > (known ?? 0), `revision ${revision} after ${known}`);
});

test("a key is gone at its time on all replicas, with a record that says so", async () => {
  const group = await twoNodes();
  const { clock } = group;
  await clock.settled(group.write(1, { operations: [putOf("a", "1", 5000), putOf("b", "1")] }));
  const expiresMs = (await group.keys(1).read("a", never)).expiresMs ?? 0;
  assert.ok(Math.abs(expiresMs - (clock.wallMs() + 5000)) < 100);
  await clock.pass(4500);
  assert.equal(await group.get(1, "a"), "1");
  await clock.pass(1000);
  await assert.rejects(clock.settled(group.get(1, "a")), { code: "not-found" });
  await clock.until("node 2 has it, too", () => group.contents(2).includes("~a"));
  assert.equal(await group.get(1, "b"), "1");
});

test("a key whose time is over is not shown again by a primary whose clock is behind", async () => {
  const group = await twoNodes();
  const { clock } = group;
  await clock.settled(group.write(1, { operations: [putOf("a", "1", 50)] }));
  clock.wallOffsetMs = 60;
  // Before any timer of the primary has noticed.
  await assert.rejects(clock.settled(group.get(1, "a")), { code: "not-found" });
  clock.wallOffsetMs = -60_000;
  await failOver(group);
  await assert.rejects(clock.settled(group.get(2, "a")), { code: "not-found" });
});

test("a scan does not show what gets visible while it waits for its lease, and was past its time before", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const disk = Promise.withResolvers<void>();
  group.disk(2).hold = disk.promise;
  const write = group.write(1, { operations: [putOf("a", "1", 100), putOf("b", "1")] });
  await clock.pass(group.settings.leaseMs + 50);
  const scan = group.keys(1).scan({}, never);
  disk.resolve();
  await clock.settled(write);
  // With another message the lease is renewed before any timer has looked for keys to end.
  await clock.settled(group.put(1, "c", "1"));
  const reader = await clock.settled(scan);
  assert.deepEqual(
    (await clock.settled(reader.nextKeys(10))).map(({ key }) => key),
    ["b", "c"],
  );
  await reader.close();
});

test("a scan begins although keys keep expiring", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const operations = Array.from({ length: 200 }, (_, index) => putOf(`a${index}`, "1", 1000 + index));
  await clock.settled(group.write(1, { operations }));
  await clock.pass(1020);
  const reader = await clock.settled(group.keys(1).scan({}, never));
  const shown = await clock.settled(reader.nextKeys(operations.length));
  assert.ok(shown.length > 150 && shown.length < 200, `${shown.length} are shown`);
  await reader.close();
});

test("a scan waits for what has expired in its range, and for nothing else", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const operations = [putOf("a1", "1", 1000), putOf("a2", "1"), putOf("b1", "1")];
  await clock.settled(group.write(1, { operations }));
  const disk = Promise.withResolvers<void>();
  group.disk(1).hold = disk.promise;
  await clock.pass(1500);
  const keys = group.keys(1);
  for (const range of [{ prefix: "b" }, { start: "a2" }, { end: "a1" }, { after: "a1" }]) {
    await (await clock.settled(keys.scan(range, never), 100)).close();
  }
  const waiting = keys.scan({ prefix: "a", reverse: true }, never);
  await assert.rejects(clock.settled(waiting, 100), /did not happen/);
  disk.resolve();
  const reader = await clock.settled(waiting);
  assert.deepEqual(
    (await clock.settled(reader.nextKeys(10))).map(({ key }) => key),
    ["a2"],
  );
});

test("keys that expire at one moment end in short turns, one commit after another, and writes go between", async () => {
  const group = await twoNodes();
  const { clock } = group;
  const nameOf = (index: number) => `k${String(index).padStart(5, "0")}`;
  const total = 1500;
  for (let from = 0; from < total; from += 1000) {
    const count = Math.min(1000, total - from);
    const operations = Array.from({ length: count }, (_, index) => putOf(nameOf(from + index), "1", 10_000));
    await clock.settled(group.write(1, { operations }));
  }
  const { seq } = group.store(1).last;
  clock.wallOffsetMs = 10_000;
  await clock.until("some are gone, and some not", () => group.store(1).last.seq > seq, 1000);
  const written = await clock.settled(group.put(1, "b", "2"));
  await clock.until("all are gone", () => group.store(1).keyCount === 1, 100);
  const turns = group.disk(1).records.filter((record) => record.seq > seq && record.seq !== written);
  assert.deepEqual(
    turns.map(({ changes }) => changes.length),
    [1000, 500],
  );
  assert.ok(written < (turns.at(-1)?.seq ?? 0), "the write has waited for all of them");
});

test("a put without a time to live makes a key last, and a later expiry leaves it alone", async () => {
  const group = await twoNodes();
  const { clock } = group;
  await clock.settled(group.write(1, { operations: [putOf("a", "1", 1000)] }));
  await clock.settled(group.put(1, "a", "2"));
  await clock.pass(5000);
  assert.equal(await group.get(1, "a"), "2");
});

test("a key that has expired is absent to conditions", async () => {
  const group = await twoNodes();
  const { clock } = group;
  await clock.settled(group.write(1, { operations: [putOf("lock", "me", 50)] }));
  clock.wallOffsetMs = 60;
  const compares = [{ key: "lock", condition: { kind: "absent" as const } }];
  await clock.settled(group.write(1, { compares, operations: [putOf("lock", "you")] }));
  assert.equal(await group.get(1, "lock"), "you");
  assert.deepEqual(group.contents(1), ["lock=me", "~lock", "lock=you"]);
});

test("after a failover keys expire at their time", async () => {
  const group = await twoNodes();
  const { clock } = group;
  await clock.settled(group.write(1, { operations: [putOf("a", "1", 3000)] }));
  await failOver(group);
  assert.equal(await group.get(2, "a"), "1");
  await clock.pass(4000);
  await assert.rejects(clock.settled(group.get(2, "a")), { code: "not-found" });
  assert.ok(group.contents(2).includes("~a"));
});

test("a primary whose machine was suspended, so that its monotonic clock stood still, answers no read", async () => {
  const group = await twoNodes();
  await group.clock.settled(group.put(1, "a", "1"));
  group.cut.add("1>2");
  group.cut.add("2>1");
  assert.equal(await group.get(1, "a"), "1");
  group.clock.wallOffsetMs = 3_600_000;
  const read = group.get(1, "a");
  read.catch(() => {});
  group.registerFault = "down";
  await assert.rejects(group.clock.settled(read), { code: "unavailable", message: /lease/ });
});
