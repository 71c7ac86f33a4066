import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { ReplicaLog } from "../../../src/cluster/storage/replica-log.ts";
import { groupOf } from "../../support/replica-group.ts";

/** The next record is refused. */
function refuseOnce(log: ReplicaLog, error: Error): void {
  const { check } = log;
  log.check = () => {
    log.check = check;
    throw error;
  };
}

test("the first node of a group becomes its primary and serves alone", async () => {
  const group = await groupOf([1]);
  const revision = await group.clock.settled(group.put(1, "a", "1"));
  assert.equal(await group.get(1, "a"), "1");
  assert.ok((await group.clock.settled(group.put(1, "a", "2"))) > revision);
});

test("a write is acknowledged only once every in-sync standby has it on disk", async () => {
  const group = await groupOf([1, 2, 3]);
  const disk = Promise.withResolvers<void>();
  group.disk(3).hold = disk.promise;
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
  refuseOnce(group.store(1), new RangeError("too long"));
  const refused = group.put(1, "a", "2");
  const behind = group.put(1, "b", "3");
  await assert.rejects(group.clock.settled(refused), { code: "invalid", message: "too long" });
  assert.equal(await group.clock.settled(behind), before + 1);
  assert.equal(await group.get(1, "a"), "1");
  assert.deepEqual(group.failures, []);
});

test("a primary whose log takes nothing more acknowledges nothing more, and ends its process", async () => {
  const group = await groupOf([1, 2]);
  refuseOnce(group.store(1), new Error("it is closed"));
  await assert.rejects(group.clock.settled(group.put(1, "a", "1")), { code: "unavailable" });
  await assert.rejects(group.clock.settled(group.put(1, "b", "2")), { code: "unavailable" });
  assert.deepEqual(group.failures, ["1: Error: it is closed"]);
});

test("a primary whose log loses what it has taken acknowledges nothing more, and ends its process", async () => {
  const group = await groupOf([1, 2]);
  const disk = Promise.withResolvers<void>();
  group.disk(1).hold = disk.promise;
  const writes = Promise.allSettled(["a", "b"].map((key) => group.put(1, key, "1")));
  disk.reject(new Error("it is gone"));
  const codes = (await group.clock.settled(writes)).map(
    (end) => end.status === "rejected" && end.reason.code,
  );
  assert.deepEqual(codes, ["outcome-unknown", "outcome-unknown"]);
  assert.deepEqual(group.failures, ["1: LogStoreError: cannot write to /data/db.txt: it is gone"]);
});

test("what waits is bounded also when the writes are short: each takes memory beside its keys and values", async () => {
  const group = await groupOf([1, 2]);
  group.cut.add("1>2");
  let refusal: unknown;
  let admitted = 0;
  for (; refusal === undefined && admitted < 150_000; admitted++) {
    const requestId = { id: `r${admitted}`, afterRevision: group.store(1).lastRevision };
    group.write(1, { operations: [{ kind: "delete", key: "" }], requestId }).catch((error: unknown) => {
      refusal ??= error;
    });
    // A refusal is told in another turn.
    if (admitted % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((refusal as OperationError | undefined)?.code, "exhausted");
});

test("a write that is not committed yet cannot be read", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "old"));
  const disk = Promise.withResolvers<void>();
  group.disk(2).hold = disk.promise;
  const write = group.put(1, "a", "new");
  await group.clock.pass(10);
  assert.equal(await group.get(1, "a"), "old");
  disk.resolve();
  await group.clock.settled(write);
  assert.equal(await group.get(1, "a"), "new");
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

test("a delete of a missing key is refused only once the deletes before it are committed", async () => {
  const group = await groupOf([1, 2]);
  await group.clock.settled(group.put(1, "a", "1"));
  const disk = Promise.withResolvers<void>();
  group.disk(2).hold = disk.promise;
  const order: string[] = [];
  const first = group.delete(1, "a").then(() => order.push("deleted"));
  const second = group.delete(1, "a").catch((error) => order.push(error.code));
  await group.clock.pass(10);
  assert.deepEqual(order, []);
  disk.resolve();
  await group.clock.settled(Promise.all([first, second]));
  assert.deepEqual(order, ["deleted", "condition-failed"]);
});

test("a silent standby is removed also where the time for that is shorter than that between two heartbeats", async () => {
  const group = await groupOf([1, 2], { leaseMs: 2000, standbyTimeoutMs: 300 });
  group.cut.add("1>2");
  await group.clock.settled(group.put(1, "b", "2"), 2000);
  assert.deepEqual(group.inSync, [1]);
});

test("a primary that has stood still removes no standby that answers when it goes on", async () => {
  const group = await groupOf([1, 2]);
  const version = group.state?.version;
  group.clock.stop(5 * group.settings.standbyTimeoutMs);
  await group.clock.settled(group.put(1, "a", "1"));
  await group.clock.pass(group.settings.standbyTimeoutMs / 2);
  assert.deepEqual([group.inSync, group.state?.version], [[1, 2], version]);
  group.cut.add("1>2");
  await group.clock.settled(group.put(1, "b", "2"), 3 * group.settings.standbyTimeoutMs);
  assert.deepEqual(group.inSync, [1]);
});
