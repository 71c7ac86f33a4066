import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppendRequest } from "../../../src/cluster/replication/peer.ts";
import { flightMessagesMax } from "../../../src/cluster/replication/settings.ts";
import { Standby, type StandbyOptions } from "../../../src/cluster/replication/standby.ts";
import type { ReplicaLog } from "../../../src/cluster/storage/replica-log.ts";
import { newLog, put } from "../../support/log-fixtures.ts";
import { groupOf } from "../../support/replica-group.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** Notes what reaches node 2. */
async function groupWithTap() {
  const group = await groupOf([1, 2], { standbyTimeoutMs: 4000 });
  const messages: AppendRequest[] = [];
  group.onMessage = (request) => void messages.push(request);
  return { group, messages, keys: () => messages.flatMap(({ records }) => records.map(keyOf)) };
}

function keyOf({ changes }: AppendRequest["records"][number]): string | undefined {
  return changes[0]?.key;
}

test("records are sent on while those before them are not acknowledged yet", async () => {
  const { group, keys } = await groupWithTap();
  const disk = Promise.withResolvers<void>();
  group.disk(2).hold = disk.promise;
  const writes = [];
  let acknowledged = 0;
  for (const key of ["a", "b", "c"]) {
    writes.push(group.put(1, key, "1").then(() => acknowledged++));
    await group.clock.until(`node 2 is sent ${key}`, () => keys().includes(key));
  }
  assert.deepEqual(keys(), ["a", "b", "c"]);
  assert.equal(acknowledged, 0);
  disk.resolve();
  await group.clock.settled(Promise.all(writes));
  assert.deepEqual(group.contents(2), ["a=1", "b=1", "c=1"]);
});

test("the messages on the way to a standby are bounded, and the rest follows", async () => {
  const { group, messages, keys } = await groupWithTap();
  const disk = Promise.withResolvers<void>();
  group.disk(2).hold = disk.promise;
  const writes = [];
  for (let index = 0; index < 3 * flightMessagesMax; index++) {
    writes.push(group.put(1, `k${index}`, "1"));
    await group.clock.pass(2);
  }
  assert.equal(messages.length, flightMessagesMax);
  disk.resolve();
  await group.clock.settled(Promise.all(writes));
  assert.equal(new Set(keys()).size, writes.length);
});

test("the bytes on the way to a standby are bounded", async () => {
  const { group, messages } = await groupWithTap();
  const disk = Promise.withResolvers<void>();
  group.disk(2).hold = disk.promise;
  const writes = [];
  for (let index = 0; index < 12; index++) {
    writes.push(group.put(1, `k${index}`, "x".repeat(1024 * 1024)));
    await group.clock.pass(2);
  }
  assert.equal(messages.length, 4);
  disk.resolve();
  await group.clock.settled(Promise.all(writes));
});

test("a message that later ones overtake delays them, and nothing is lost or doubled", async () => {
  const { group } = await groupWithTap();
  const late = Promise.withResolvers<void>();
  group.onMessage = ({ records }) =>
    records.some((record) => keyOf(record) === "a") ? late.promise : undefined;
  const first = group.put(1, "a", "1");
  await group.clock.pass(5);
  const second = group.put(1, "b", "2");
  await group.clock.pass(5);
  group.onMessage = undefined;
  late.resolve();
  await group.clock.settled(Promise.all([first, second]));
  assert.deepEqual(group.contents(2), ["a=1", "b=2"]);
  assert.deepEqual(group.inSync, [1, 2]);
  assert.deepEqual(group.failures, []);
});

test("a primary whose connection to a standby has broken is reported at once, unless it connects again", async () => {
  const group = await groupOf([1, 2]);
  group.replacesSilent = true;
  group.reset(1, 2);
  await group.clock.pass(10_000);
  assert.equal(group.state?.value.epoch, 1);
  await group.clock.settled(group.put(1, "a", "1"));
  const brokenMs = group.clock.monotonicMs();
  group.crash(1);
  group.reset(1, 2);
  await group.clock.until("node 2 is named", () => group.state?.value.epoch === 2);
  assert.ok(group.clock.monotonicMs() - brokenMs < group.settings.leaseMs);
  await group.clock.until("node 2 serves", () => group.serves(2));
  assert.equal(await group.clock.settled(group.get(2, "a")), "1");
});

test("a connection that breaks while another one to the same primary is open says nothing", async () => {
  const group = await groupOf([1, 2]);
  group.replacesSilent = true;
  group.onMessage = () => {
    // The standby opens the next stream of the primary before it hears that this one is over.
    group.onMessage = undefined;
  };
  group.reset(1, 2);
  await group.clock.pass(group.settings.leaseMs);
  group.cut.add("2>1");
  group.cut.add("1>2");
  const cutMs = group.clock.monotonicMs();
  await group.clock.until("node 2 is named", () => group.state?.value.epoch === 2);
  assert.ok(group.clock.monotonicMs() - cutMs > group.settings.leaseMs);
});

test("the records of messages that come together are synced together", async () => {
  const { disk, store } = await newLog();
  const standby = standbyOf(store);
  assert.equal((await standby.append(message(1, 0, "k0"))).result, "ok");
  const first = Promise.withResolvers<void>();
  let syncs = 0;
  disk.intercept = ({ kind }) => {
    return kind === "datasync" && ++syncs === 1 ? first.promise : undefined;
  };
  const answers = Array.from({ length: 20 }, (_, index) =>
    standby.append(message(1, index + 1, `k${index + 1}`)),
  );
  await new Promise((resolve) => setImmediate(resolve));
  first.resolve();
  assert.deepEqual(new Set((await Promise.all(answers)).map(({ result }) => result)), new Set(["ok"]));
  assert.equal(store.durable.seq, 21);
  assert.equal(syncs, 2);
});

test("a message that is on disk only after a later epoch was promised is not acknowledged", async () => {
  const { disk, store } = await newLog();
  const standby = standbyOf(store);
  assert.equal((await standby.append(message(5, 0, "a"))).result, "ok");
  const synced = Promise.withResolvers<void>();
  disk.intercept = ({ kind }) => (kind === "datasync" ? synced.promise : undefined);
  const answer = standby.append(message(5, 1, "b"));
  const promised = standby.promise(6);
  synced.resolve();
  await promised;
  assert.equal((await answer).result, "stale-epoch");
});

test("an answer has the epochs of the log only where the records do not fit", async () => {
  const { store } = await newLog();
  const standby = standbyOf(store);
  for (let epoch = 1; epoch <= 50; epoch++) {
    const previous = { epoch: epoch - 1, seq: epoch - 1 };
    const { result, epochs } = await standby.append({ ...message(epoch, epoch - 1, "a"), previous });
    assert.deepEqual([result, epochs], ["ok", []]);
  }
  const other = await standby.append(message(50, 60, "a"));
  assert.deepEqual([other.result, other.epochs], ["mismatch", store.epochs]);
});

test("what was committed gives way to another history only while this replica is not in sync", async () => {
  const { store } = await newLog();
  const seen = { epoch: 0, primary: 0 };
  const standby = standbyOf(store, (epoch, primary) => epoch === seen.epoch && primary === seen.primary);
  for (const seq of [1, 2, 3]) await standby.append({ ...message(1, seq - 1, "a"), committedSeq: seq });
  assert.equal(store.committedSeq, 3);
  const other = message(2, 0, "b");
  await assert.rejects(standby.append(other), /a primary would cut off committed records from seq 1 on/);
  assert.equal(store.last.seq, 3);
  Object.assign(seen, { epoch: 2, primary: 1 });
  const { result, needsSnapshot } = await standby.append(other);
  assert.deepEqual([result, needsSnapshot], ["mismatch", true]);
  const { result: taken, needsSnapshot: needed } = await standby.append(snapshotOf(2, 1, other.records));
  assert.deepEqual([taken, needed], ["ok", false]);
  assert.deepEqual([store.last, store.committedSeq], [{ epoch: 2, seq: 1 }, 1]);
  const next = { ...message(2, 1, "c"), committedSeq: 2 };
  assert.equal((await standby.append(next)).result, "ok");
  assert.equal(store.committedSeq, 2);
});

test("a snapshot that comes late, on a stream that has broken, takes nothing away that has come since", async () => {
  const { store } = await newLog();
  const standby = standbyOf(store);
  const snapshot = snapshotOf(1, 1, []);
  assert.equal((await standby.append(snapshot)).result, "ok");
  assert.equal((await standby.append({ ...message(1, 1, "a"), committedSeq: 2 })).result, "ok");
  const late = await standby.append(snapshot);
  assert.deepEqual([late.result, late.last], ["mismatch", { epoch: 1, seq: 2 }]);
  assert.deepEqual([store.last, store.committedSeq], [{ epoch: 1, seq: 2 }, 2]);
});

test("a replica that becomes primary in the middle of a snapshot can compact its log", async () => {
  const { store } = await newLog();
  const standby = standbyOf(store);
  for (const seq of [1, 2]) await standby.append({ ...message(1, seq - 1, "a"), committedSeq: seq });
  const { snapshot, ...whole } = snapshotOf(1, 9, []);
  assert.ok(snapshot !== undefined);
  assert.equal((await standby.append({ ...whole, snapshot: { ...snapshot, last: false } })).result, "ok");
  // As after `kvlab recover`.
  await standby.promise(2);
  await store.compact();
  assert.deepEqual(store.base, { epoch: 1, seq: 2 });
});

function standbyOf(store: ReplicaLog, isOutside: StandbyOptions["isOutside"] = () => false): Standby {
  return new Standby({ store, clock: new VirtualClock(), leaseMs: 500, isOutside });
}

function message(epoch: number, previousSeq: number, key: string): AppendRequest {
  return {
    group: "g",
    epoch,
    primary: 1,
    target: 2,
    incarnation: "1",
    previous: { epoch: previousSeq === 0 ? 0 : epoch, seq: previousSeq },
    records: [put(epoch, previousSeq + 1, key, "1")],
    committedSeq: 0,
    leaseMs: 500,
  };
}

/** A snapshot in one message of a log that ends with the record `seq`, all of one epoch. */
function snapshotOf(epoch: number, seq: number, records: AppendRequest["records"]): AppendRequest {
  const head = { base: { epoch, seq }, epochs: [{ epoch, firstSeq: 1 }], requestsAfter: 0 };
  const snapshot = { snapshotId: 1, index: 0, last: true, ...head };
  return { ...message(epoch, seq, ""), previous: head.base, records, snapshot };
}
