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

  test("twice, since its session has expired while its disk was slow, is in sync", async () => {
    const group = await pair();
    const disk = Promise.withResolvers<void>();
    group.disk(2).hold = disk.promise;
    // Both lives are noted at once, when this is on disk.
    group.put(1, "k", "v").catch(() => {});
    await group.clock.pass(100);
    group.apart.add(1);
    group.forget(2);
    const first = group.start(2);
    await group.clock.pass(100);
    const second = group.start(2);
    await group.clock.pass(100);
    disk.resolve();
    // Whichever comes second to the state finds it changed, and would try again.
    const outcomes = await Promise.allSettled([first, second]);
    const reasons = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [String(outcome.reason)] : [],
    );
    assert.ok(
      reasons.every((reason) => reason === "Error: bad version") && reasons.length < 2,
      reasons.join(),
    );
    assert.deepEqual(group.inSync, [1, 2]);
  });

  test("with a copy from before its last registration leaves the set, and is in sync again once it has caught up", async () => {
    const group = await pair();
    const old = group.disk(2).bytes;
    stop(group, 2);
    await group.start(2);
    stop(group, 2);
    await write(group, 3);
    group.disk(2).restore(old);
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
    const old = group.disk(2).bytes;
    const { seq } = group.store(2).last;
    await write(group, 3);
    await group.clock.until("the floor is above the copy", () => floorOf(group).seq > seq);
    stop(group, 2);
    group.apart.add(1);
    group.disk(2).restore(old);
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
  });

  test("with a longer log of another history leaves the set", async () => {
    const group = await pair();
    const old = group.disk(2).bytes;
    const { seq: oldSeq } = group.store(2).last;
    for (const number of [2, 1]) {
      group.replace(number);
      await group.clock.until("it serves, and both are in sync", () => {
        return group.isPrimary(number) && group.serves(number) && group.inSync.length === 2;
      });
    }
    await write(group, 3);
    await group.clock.until("the floor is of a later epoch", () => floorOf(group).epoch === 3);
    const floor = floorOf(group);
    stop(group, 2);
    group.apart.add(1);
    group.disk(2).restore(old);
    await group.disk(2).change(async (store) => {
      for (let seq = oldSeq + 1; seq <= floor.seq + 10; seq++)
        await store.append([{ epoch: 1, seq, changes: [] }]);
    });
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
  });

  test("with the log of another replica leaves the set", async () => {
    const group = await pair();
    stop(group, 2);
    const { life = "" } = group.store(2);
    group.apart.add(1);
    const { fileId } = group.disk(2).header;
    group.disk(2).restore(group.disk(1).bytes);
    group.disk(2).changeHeader(({ identity }) => ({
      fileId,
      identity: { ...(identity ?? assert.fail()), number: 2 },
      life: BigInt(life),
    }));
    await group.start(2);
    assert.deepEqual(group.inSync, [1]);
  });

  test("with a repaired log leaves the set, and is repaired by a snapshot though it ends where the others do", async () => {
    const group = await pair();
    stop(group, 2);
    group.disk(2).damage({ epoch: 1, seq: 3 });
    await group.disk(2).repair();
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
    group.disk(2).forgetLives();
    group.logs = undefined;
    group.apart.add(1);
    await group.start(2);
    assert.deepEqual(group.inSync, [1, 2]);
    stop(group, 2);
    group.disk(2).forgetLives();
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
    const old = group.disk(1).bytes;
    const { last, life } = group.store(1);
    await write(group, 3);
    await group.clock.until("the floor is above the copy", () => floorOf(group).seq > last.seq);
    stop(group, 1);
    group.disk(1).restore(old);
    const refused = {
      name: "OperatorAwaited",
      message: /ends at record 1\.4 and lacks record 1\.7.*kvlab recover g/,
    };
    await assert.rejects(group.start(1), refused);
    assert.equal(group.store(1).life, life, "a log that is in doubt must not pass for a newer one");
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
    await group.disk(1).change((store) => store.truncate(2));
    group.disk(1).changeHeader(({ identity = assert.fail() }) => ({
      identity: { ...identity, repaired: true },
    }));
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
