import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { successorOf } from "../../../src/cluster/election/promotion.ts";
import { comparePositions } from "../../../src/cluster/storage/format/history.ts";
import { ReplicaGroup } from "../../support/replica-group.ts";

/** A group of nodes 1 and 2, both in sync, with node 1 as its primary and a few writes. */
async function pair(): Promise<ReplicaGroup> {
  const group = new ReplicaGroup();
  await group.start(1);
  await group.start(2);
  group.promote();
  await group.clock.until("both are in sync", () => group.serves(1) && group.inSync.length === 2);
  await write(group, 3);
  return group;
}

async function write(group: ReplicaGroup, count: number, primary = 1): Promise<void> {
  for (let index = 0; index < count; index++) {
    await group.clock.settled(group.put(primary, `k${index}`, `v${group.clock.monotonicMs()}`));
  }
}

function floorOf(group: ReplicaGroup) {
  return group.logs?.value.floor ?? assert.fail("nothing is known of the logs");
}

/** The node's process ends, its registration is gone, and it has this log when it comes back. */
function stop(group: ReplicaGroup, number: number): void {
  group.crash(number);
  group.forget(number);
}

describe("an in-sync node that returns", () => {
  test("with its own log is in sync at once", async () => {
    const group = await pair();
    stop(group, 2);
    group.apart.add(1);
    await group.start(2);
    assert.deepEqual(group.inSync, [1, 2]);
  });

  test("with a copy from before its last registration leaves the set, and is in sync again once it has caught up", async () => {
    const group = await pair();
    const old = group.store(2).reopen();
    stop(group, 2);
    await group.start(2);
    stop(group, 2);
    await write(group, 3);
    group.replaceStore(2, old);
    group.apart.add(1);
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
    group.apart.delete(1);
    group.tell();
    await group.clock.until("node 2 is back", () => group.inSync.includes(2));
    assert.deepEqual(group.contents(2), group.contents(1));
  });

  test("with a copy of the same life that ends below the floor leaves the set", async () => {
    const group = await pair();
    const old = group.store(2).reopen();
    await write(group, 3);
    await group.clock.until("the floor is above the copy", () => floorOf(group).seq > old.last.seq);
    stop(group, 2);
    group.apart.add(1);
    group.replaceStore(2, old);
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
  });

  test("with a longer log of another history leaves the set", async () => {
    const group = await pair();
    const old = group.store(2).reopen();
    await write(group, 3);
    await group.clock.until("the floor is above the copy", () => floorOf(group).seq > old.last.seq);
    const floor = floorOf(group);
    stop(group, 2);
    group.apart.add(1);
    for (let seq = old.last.seq + 1; seq <= floor.seq + 10; seq++)
      await old.append([{ epoch: 2, seq, changes: [] }]);
    old.promisedEpoch = 1;
    group.replaceStore(2, old);
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
  });

  test("with the log of another replica leaves the set", async () => {
    const group = await pair();
    stop(group, 2);
    const other = group.store(1).reopen();
    other.identity = { ...(other.identity ?? assert.fail()), number: 2 };
    other.life = group.store(2).life;
    group.apart.add(1);
    group.replaceStore(2, other);
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
  });

  test("with a repaired log leaves the set, and is mended by a full copy though it ends where the others do", async () => {
    const group = await pair();
    stop(group, 2);
    const repaired = group.store(2);
    repaired.identity = { ...(repaired.identity ?? assert.fail()), repaired: true };
    repaired.records.splice(2, 1);
    group.apart.add(1);
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
    group.apart.delete(1);
    group.tell();
    await group.clock.until("node 2 is back", () => group.inSync.includes(2));
    assert.deepEqual(group.contents(2), group.contents(1));
    assert.equal(group.store(2).identity?.repaired, undefined);
  });

  test("with a log of an earlier version, which notes no lives, is in sync, and is known from then on", async () => {
    const group = await pair();
    stop(group, 2);
    group.store(2).life = undefined;
    group.logs = undefined;
    group.apart.add(1);
    await group.start(2);
    assert.deepEqual(group.inSync, [1, 2]);
    stop(group, 2);
    group.store(2).life = undefined;
    await group.start(2);
    assert.deepEqual(group.inSync, [1], "a log without lives is older than what is known of it");
  });
});

describe("the only in-sync node", () => {
  async function alone(): Promise<ReplicaGroup> {
    const group = new ReplicaGroup();
    await group.start(1);
    group.promote();
    await group.clock.until("node 1 serves", () => group.serves(1));
    await write(group, 3);
    return group;
  }

  test("that returns with an older copy waits for an operator, and goes on when that says so", async () => {
    const group = await alone();
    const old = group.store(1).reopen();
    await write(group, 3);
    await group.clock.until("the floor is above the copy", () => floorOf(group).seq > old.last.seq);
    stop(group, 1);
    group.replaceStore(1, old);
    const { life } = old;
    const refused = {
      name: "OperatorAwaited",
      message: /ends at record 1\.4 and lacks record 1\.7.*kvlab recover g/,
    };
    await assert.rejects(group.start(1), refused);
    assert.equal(old.life, life, "a log that is in doubt must not pass for a newer one");
    await assert.rejects(group.start(1), refused);
    // What `kvlab recover` writes, for the registration that is the next one here.
    const { value, version } = group.state ?? assert.fail();
    const member = { number: 1, incarnation: group.nextIncarnation };
    group.state = {
      value: { epoch: value.epoch + 1, primary: member, inSync: [member] },
      version: version + 1,
    };
    await group.start(1);
    await group.clock.until("node 1 serves", () => group.serves(1));
    await write(group, 1);
    await group.clock.until("the floor is its own", () => floorOf(group).epoch === 2);
  });

  test("that was repaired goes on: whoever repaired it has decided so", async () => {
    const group = await alone();
    await group.clock.until("the floor is raised", () => floorOf(group).seq >= 3);
    stop(group, 1);
    const store = group.store(1);
    store.identity = { ...(store.identity ?? assert.fail()), repaired: true };
    await store.truncate(2);
    await group.start(1);
    group.promote();
    await group.clock.until("node 1 serves", () => group.serves(1));
  });
});

describe("the floor", () => {
  test("follows what is committed, at the first write after a pause and every few seconds", async () => {
    const group = await pair();
    await group.clock.pass(10_000);
    const before = floorOf(group);
    assert.deepEqual(before, { epoch: 1, seq: group.store(1).last.seq });
    await write(group, 1);
    await group.clock.pass(group.settings.leaseMs);
    const first = floorOf(group);
    assert.equal(first.seq, before.seq + 1);
    await write(group, 5);
    await group.clock.pass(group.settings.leaseMs);
    assert.deepEqual(floorOf(group), first, "not with every write");
    await group.clock.pass(3000);
    assert.equal(floorOf(group).seq, before.seq + 6);
  });

  test("is raised when the primary stops, and when the in-sync set changes", async () => {
    const group = await pair();
    await group.clock.pass(10_000);
    await write(group, 1);
    await group.clock.pass(group.settings.leaseMs);
    await write(group, 5);
    await group.clock.settled(group.primary(1).settle());
    assert.equal(floorOf(group).seq, group.store(1).last.seq);
    await write(group, 1);
    stop(group, 2);
    group.tell();
    await write(group, 1);
    await group.clock.until("node 2 is dropped", () => group.inSync.length === 1);
    await group.clock.pass(group.settings.leaseMs);
    assert.equal(floorOf(group).seq, group.store(1).last.seq);
  });

  test("is never lowered by a primary whose time is over", async () => {
    const group = await pair();
    group.logs = { value: { floor: { epoch: 5, seq: 1 }, stores: new Map() }, version: 40 };
    await write(group, 3);
    await group.clock.pass(10_000);
    assert.deepEqual(floorOf(group), { epoch: 5, seq: 1 });
  });
});

test("of several live in-sync members the one whose log ends last is promoted", () => {
  const inSync = [1, 2, 3].map((number) => ({ number, incarnation: `${number}0` }));
  const state = { epoch: 4, primary: undefined, inSync };
  const chosen = (positions: [number, { epoch: number; seq: number }][], nodes = inSync) =>
    successorOf(state, nodes, new Map(positions))?.number;
  assert.equal(
    chosen([
      [1, { epoch: 4, seq: 9 }],
      [2, { epoch: 4, seq: 10 }],
      [3, { epoch: 3, seq: 99 }],
    ]),
    2,
  );
  assert.equal(chosen([[3, { epoch: 1, seq: 1 }]]), 3, "who does not answer is chosen last");
  assert.equal(chosen([]), 1);
  assert.equal(chosen([], []), undefined);
  assert.equal(chosen([], [{ number: 1, incarnation: "99" }]), undefined);
  assert.ok(comparePositions({ epoch: 2, seq: 1 }, { epoch: 1, seq: 5 }) > 0);
});
