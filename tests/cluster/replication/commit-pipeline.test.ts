import assert from "node:assert/strict";
import { test } from "node:test";
import type { Member } from "../../../src/cluster/metadata/model.ts";
import { CommitPipeline } from "../../../src/cluster/replication/commit-pipeline.ts";
import { defaultReplicationSettings } from "../../../src/cluster/replication/settings.ts";
import type { Change } from "../../../src/cluster/storage/model.ts";
import { newLog } from "../../support/log-fixtures.ts";
import { groupOf, putOf } from "../../support/replica-group.ts";

const never = new AbortController().signal;
const change: Change = { kind: "put", key: "a", value: new Uint8Array(), text: false, previous: 0 };
const standby = { number: 2, incarnation: "2" };

/** A pipeline of epoch 1 over a log that has only the record that begins it, with one standby. */
async function pipeline() {
  const { store } = await newLog();
  await store.promise(1);
  await store.append([{ epoch: 1, seq: 1, changes: [] }]);
  const members = [{ number: 1, incarnation: "1" }, standby];
  const required: Member[] = [standby];
  const failures: unknown[] = [];
  const at = { acked: 0 };
  const log = new CommitPipeline({
    epoch: 1,
    store,
    settings: defaultReplicationSettings,
    inSync: { members, required },
    ackedSeq: () => at.acked,
    transfer: { isUnderWay: false, wait: async () => {} },
    onFailure: (error) => failures.push(error),
    log: () => {},
  });
  return { store, log, at, failures };
}

test("a primary serves once the record that begins its epoch is on every required disk", async () => {
  const { log, at } = await pipeline();
  assert.equal(log.state, "waiting");
  assert.throws(() => log.admit(), { code: "unavailable" });
  log.begin(1);
  assert.equal(log.state, "beginning");
  at.acked = 1;
  log.advance();
  assert.equal(log.state, "serving");
  assert.equal(log.committedSeq, 1);
  log.end("the test is over");
  assert.equal(log.state, "ended");
  assert.throws(() => log.admit(), { code: "unavailable" });
});

test("a record is committed with the last disk that has it, and no sooner", async () => {
  const { log, at, store } = await pipeline();
  at.acked = 1;
  log.begin(1);
  const seq = log.propose([change]);
  const committed = log.committed(seq, never);
  await store.append([]);
  log.advance();
  assert.equal(log.committedSeq, 1);
  at.acked = seq;
  log.advance();
  await committed;
  assert.equal(log.committedSeq, seq);
});

test("whoever waits for what is in the log does not wait for what comes meanwhile", async () => {
  const { log, at, store } = await pipeline();
  at.acked = 1;
  log.begin(1);
  const seq = log.propose([change]);
  let isSettled = false;
  const settled = log.settled(never).then(() => {
    isSettled = true;
  });
  // As under steady writes: whenever a record is committed, the next one is in the log already.
  log.propose([change]);
  await store.append([]);
  at.acked = seq;
  log.advance();
  await new Promise(setImmediate);
  assert.equal(isSettled, true);
  await settled;
});

test("a proposal before the epoch has begun ends the process", async () => {
  const { log, failures } = await pipeline();
  assert.throws(() => log.propose([change]), { name: "InvariantError" });
  assert.equal(failures.length, 1);
});

test("a proposal after a later epoch was promised ends the process", async () => {
  const { log, at, store, failures } = await pipeline();
  at.acked = 1;
  log.begin(1);
  await store.promise(2);
  assert.throws(() => log.propose([change]), { name: "InvariantError" });
  assert.equal(failures.length, 1);
});

test("committed records that are withdrawn end the process", async () => {
  const { log, at, failures } = await pipeline();
  at.acked = 1;
  log.begin(1);
  assert.throws(() => log.withdrawn(0, new Error("full")), { name: "InvariantError" });
  assert.equal(failures.length, 1);
});

test("a log that takes nothing any more ends the primary and its process", async () => {
  const group = await groupOf([1, 2]);
  group.store(1).check = () => {
    throw new Error("the disk is gone");
  };
  await assert.rejects(group.write(1, { operations: [putOf("a", "1")] }), { code: "unavailable" });
  assert.equal(group.isPrimary(1) && group.serves(1), false);
  assert.match(group.failures.join(), /the disk is gone/);
});

test("a write that waits when an invariant breaks is told which one", async () => {
  const group = await groupOf([1, 2]);
  group.crash(2);
  const waiting = assert.rejects(group.put(1, "a", "1"), {
    code: "outcome-unknown",
    message: /^broken invariant: epoch 99 has begun after 1; the write may or may not have been applied$/,
  });
  await group.store(1).promise(99);
  await assert.rejects(group.put(1, "b", "1"), { name: "InvariantError" });
  await waiting;
});
