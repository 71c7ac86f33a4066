import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "../../../src/cluster/storage/model.ts";
import { deleting, putting } from "../../support/log-fixtures.ts";
import { putOf, ReplicaGroup } from "../../support/replica-group.ts";

const never = new AbortController().signal;

/** Two nodes in sync; node 1, the primary, has copied keys of another group, and has accepted them when asked to. */
async function withCopies(requestsMax?: number) {
  const group = new ReplicaGroup({}, requestsMax);
  for (const number of [1, 2]) await group.start(number);
  group.promote();
  const { clock } = group;
  await clock.until("both are in sync", () => group.serves(1) && group.inSync.length === 2);
  const store = group.store(1);
  const append = async (record: Omit<LogRecord, "epoch" | "seq">) => {
    const { epoch, seq } = store.last;
    await clock.settled(store.append([{ ...record, epoch, seq: seq + 1 }]));
  };
  await append({ changes: [putting("a", "theirs")], requestId: "r1", move: { kind: "copy", revision: 500 } });
  const changes = [putting("gone", "1", { expiresMs: 1 })];
  await append({ changes, requestId: "r2", move: { kind: "copy", revision: 501 } });
  const accept = () => {
    const mark = { change: 5, from: "source", revision: 600, ahead: 1000, requestsAfter: 50 };
    return append({ changes: [], move: { kind: "accept", ...mark } });
  };
  return { group, clock, store, append, accept };
}

test("a write after an accept answers with a revision above those of the copies, also after a failover", async () => {
  const { group, clock, store, accept } = await withCopies();
  const before = await clock.settled(group.put(1, "b", "1"));
  assert.equal(before, store.last.seq);
  await accept();
  const first = await clock.settled(group.put(1, "a", "1"));
  assert.equal(first, store.last.seq + 1000);
  assert.equal((await group.keys(1).read("a", never)).revision, first);
  group.crash(1);
  group.forget(1);
  group.promote();
  await clock.until("node 2 serves", () => group.serves(2));
  assert.ok((await clock.settled(group.put(2, "a", "2"))) > first);
  assert.deepEqual(group.store(2).moves.accepted, new Map([["source", 600]]));
});

test("a condition holds of the revision that a key came with", async () => {
  const { group, clock, accept } = await withCopies();
  await accept();
  const write = (revision: number) => {
    const compares = [{ key: "a", condition: { kind: "revision" as const, revision } }];
    return clock.settled(group.write(1, { compares, operations: [putOf("a", "mine")] }));
  };
  await assert.rejects(write(501), { code: "condition-failed", revision: 500 });
  await write(500);
  assert.equal(await group.get(1, "a"), "mine");
});

test("what a change replaces is named by its place in this log", async () => {
  const { group, clock, store, accept } = await withCopies();
  const copySeq = store.pendingFacts("a")?.seq;
  await accept();
  await clock.settled(group.put(1, "a", "mine"));
  const [last] = (await store.read(store.last.seq - 1, 1)) ?? [];
  assert.equal(last?.changes[0]?.previous, copySeq);
});

test("a request that the other group has answered is answered as it was there", async () => {
  const { group, clock, accept } = await withCopies();
  await accept();
  const again = { operations: [putOf("a", "theirs")], requestId: { id: "r1", afterRevision: 499 } };
  assert.equal(await clock.settled(group.write(1, again)), 500);
  assert.equal(await group.get(1, "a"), "theirs");
});

test("requests from before what both groups remember are refused, and those after it are not", async () => {
  const { group, clock, store, accept } = await withCopies();
  const write = (id: string, afterRevision: number) =>
    clock.settled(group.write(1, { operations: [putOf("b", "1")], requestId: { id, afterRevision } }));
  await write("before", 0);
  await accept();
  const refused = { code: "request-forgotten", revision: store.lastRevision };
  await assert.rejects(write("unknown", 49), refused);
  await assert.rejects(write("too late", store.lastRevision + 1), { code: "request-forgotten" });
  assert.equal(await write("new", 50), store.last.seq + 1000);
});

test("requests of copies that are forgotten do not stop the group's own before the accept", async () => {
  const { group, clock, store, accept } = await withCopies(2);
  const write = (id: string, afterRevision: number) =>
    clock.settled(group.write(1, { operations: [putOf("b", "1")], requestId: { id, afterRevision } }));
  for (const id of ["own 1", "own 2", "own 3"]) await write(id.replace(" ", "-"), store.last.seq);
  assert.equal(store.requestOf("r1"), undefined);
  await accept();
  await assert.rejects(write("r1", 499), { code: "request-forgotten" });
});

test("a copy that has expired ends once", async () => {
  const { group, clock, accept } = await withCopies();
  await accept();
  await clock.until("it has ended", () => group.store(1).pendingFacts("gone") === undefined);
  await assert.rejects(clock.settled(group.get(1, "gone")), { code: "not-found" });
});

test("keys that are forgotten are gone", async () => {
  const { group, clock, append } = await withCopies();
  await append({ changes: [deleting("a")], move: { kind: "forget" } });
  await clock.settled(group.put(1, "b", "1"));
  await assert.rejects(clock.settled(group.get(1, "a")), { code: "not-found" });
});

test("calls go on while many keys have expired that this group may not end, since they are another's", async () => {
  const { group, clock, store, append } = await withCopies();
  group.isForeign = (key) => key.startsWith("theirs");
  const expiresMs = clock.wallMs() + 10;
  const changes = Array.from({ length: 1000 }, (_, index) => putting(`theirs ${index}`, "1", { expiresMs }));
  await append({ changes, move: { kind: "copy", revision: 502 } });
  await clock.settled(group.put(1, "b", "1"));
  const expired = store.expired.bind(store);
  let looks = 0;
  store.expired = (...range) => {
    looks++;
    if (looks > 100) throw new Error("it does nothing but look for expired keys");
    return expired(...range);
  };
  const operations = [putOf("a", "1", 100), putOf("z", "1", 100)];
  await clock.settled(group.write(1, { operations }));
  await clock.until("own keys before and behind these have ended", () => store.keyCount === 1002);
  assert.ok(looks > 0);
});

test("a scan shows no key past its time, however many of another group have expired before it", async () => {
  const { group, clock, append } = await withCopies();
  group.isForeign = (key) => key.startsWith("theirs");
  const expiresMs = clock.wallMs() + 50;
  const changes = Array.from({ length: 1000 }, (_, index) => putting(`theirs ${index}`, "1", { expiresMs }));
  await append({ changes, move: { kind: "copy", revision: 502 } });
  await clock.settled(group.write(1, { operations: [putOf("x", "1"), putOf("z", "1", 50)] }));
  for (const range of [{ start: "b" }, { after: "b" }, { start: "b", after: "zz", reverse: true }]) {
    clock.wallOffsetMs += 50;
    // Before any timer of the primary has noticed.
    const reader = await clock.settled(group.keys(1).scan(range, never));
    const shown = await clock.settled(reader.nextKeys(10));
    assert.deepEqual(
      shown.map(({ key }) => key),
      ["x"],
    );
    await reader.close();
    await clock.settled(group.write(1, { operations: [putOf("z", "1", 50)] }));
  }
});
