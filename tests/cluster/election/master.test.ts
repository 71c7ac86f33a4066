import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRingState } from "../../../src/cluster/metadata/codec.ts";
import type { Topology } from "../../../src/cluster/metadata/model.ts";
import { HashRing } from "../../../src/cluster/ring/hash-ring.ts";
import { waitingReason } from "../../../src/cluster/ring/placement.ts";
import { paced } from "../../../src/cluster/ring/ring-change.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { dbfile, openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

const never = new AbortController().signal;

/** A log of the original program, with these keys. */
async function originalLog(keys: readonly string[]): Promise<LogStore> {
  const disk = new SimulatedDisk();
  const entries = keys.map((key) => `${Buffer.from(key).toString("base64")}\nMQ==\n#\n`);
  disk.place(dbfile, Buffer.from(entries.join("")));
  return await openOn(disk);
}

/** Keys that the ring of both groups gives to `group`. */
function keysOf(group: string): string[] {
  const ring = new HashRing(["zdata1", "zdata2"], { virtualNodes: 2 });
  return Array.from({ length: 50 }, (_, index) => `key-${index}`).filter((key) => ring.owner(key) === group);
}

test("groups that register before anything is written enter the ring, in any order", async () => {
  const cluster = await NodeCluster.start();
  await cluster.data("zdata2", "d2:1");
  const router = await cluster.router("r:1");
  await cluster.sees(router, "zdata2 is in the ring", ({ ring }) => ring?.value.groups.length === 1);
  await cluster.data("zdata1", "d1:1");
  const { ring } = await cluster.sees(router, "both are", ({ ring }) => ring?.value.groups.length === 2);
  assert.deepEqual(ring?.value.groups, ["zdata2", "zdata1"]);
});

test("a group that registers after the first write begins to enter the ring, and says so; every key stays readable", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  const node = await cluster.data("zdata1", "d1:1");
  await cluster.put(node, "a", "1");
  const joining = cluster.data("zdata2", "d2:1");
  const topology = await cluster.sees(
    router,
    "zdata2 enters the ring",
    ({ ring }) => ring?.value.change !== undefined,
  );
  const { groups, change } = topology.ring?.value ?? assert.fail();
  assert.deepEqual(groups, ["zdata1"]);
  assert.deepEqual(change?.groups, ["zdata1", "zdata2"]);
  assert.equal(
    waitingReason(topology, "zdata2"),
    `it enters the ring with change ${change?.id}: keys of zdata1 move to it`,
  );
  assert.equal(waitingReason(topology, "zdata1"), undefined);
  const nodes = { zdata1: node, zdata2: await joining };
  const isOver = ({ ring }: Topology) => ring?.value.groups.length === 2;
  for (const seer of Object.values(nodes)) await cluster.sees(seer, "zdata2 is in the ring", isOver);
  for (const [name, owner] of Object.entries(nodes)) {
    for (const key of keysOf(name).slice(0, 10)) {
      await cluster.put(owner, key, "2");
      assert.equal((await cluster.clock.settled(owner.calls.get(key, never))).text, true);
    }
  }
});

test("a first write and a new group at the same time: whichever wins, no key becomes unreachable", async () => {
  for (const delayMs of [0, 1, 2, 5, 20, 100, 550, 600]) {
    const cluster = await NodeCluster.start();
    const router = await cluster.router("r:1");
    const first = await cluster.data("zdata1", "d1:1");
    await cluster.clock.until("it serves", () => first.status().unavailable === undefined);
    const second = cluster.data("zdata2", "d2:1");
    await cluster.clock.pass(delayMs);
    const [key = assert.fail()] = keysOf("zdata2");
    const written = await cluster.clock.settled(
      first.calls.put({ key, value: new Uint8Array(), text: false }, never).then(
        () => true,
        () => false,
      ),
    );
    const node = await second;
    await cluster.clock.pass(10_000);
    assert.deepEqual(router.topology.current?.ring?.value.groups, ["zdata1", "zdata2"]);
    if (written) await cluster.clock.settled(node.calls.get(key, never));
    await cluster.put(node, key, "1");
  }
});

test("logs of the original program, with every key where the ring wants it, make one ring", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  await cluster.data("zdata1", "d1:1", await originalLog(keysOf("zdata1")));
  await cluster.sees(router, "zdata1 is in the ring", ({ ring }) => ring?.value.groups.length === 1);
  await cluster.data("zdata2", "d2:1", await originalLog(keysOf("zdata2")));
  await cluster.sees(router, "both are in the ring", ({ ring }) => ring?.value.groups.length === 2);
});

test("a group that takes over keys of a log that was there before has them moved, also before the first write", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  await cluster.data("zdata1", "d1:1", await originalLog([...keysOf("zdata1"), ...keysOf("zdata2")]));
  await cluster.sees(router, "zdata1 is in the ring", ({ ring }) => ring?.value.groups.length === 1);
  const joining = cluster.data("zdata2", "d2:1");
  const { ring } = await cluster.sees(router, "it enters", ({ ring }) => ring?.value.change !== undefined);
  assert.deepEqual(ring?.value.groups, ["zdata1"]);
  assert.equal(ring?.value.written, true);
  const node = await joining;
  await cluster.sees(node, "it is in the ring", ({ ring }) => ring?.value.groups.length === 2);
  for (const key of keysOf("zdata2")) await cluster.clock.settled(node.calls.get(key, never));
});

test("a group with an old log stays outside a ring that is written to, and says why: its keys would be lost", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  const node = await cluster.data("zdata1", "d1:1");
  await cluster.put(node, "a", "1");
  await cluster.data("zdata2", "d2:1", await originalLog(["x", "y"]));
  await cluster.clock.pass(60_000);
  assert.deepEqual(router.topology.current?.ring?.value.groups, ["zdata1"]);
  assert.equal(router.topology.current?.ring?.value.change, undefined);
  const told = cluster.log.filter((line) => line.startsWith('group "zdata2" holds 2 keys from before'));
  assert.equal(told.length, 1);
});

test("of several new groups one enters at a time, and the others wait their turn", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  const node = await cluster.data("zdata1", "d1:1");
  await cluster.put(node, "a", "1");
  const session = await cluster.session();
  let isPaused = false;
  // Before anything of the first change can have been carried out.
  router.topology.onChange(({ ring }) => {
    if (ring?.value.change === undefined || isPaused) return;
    isPaused = true;
    void session.set("/ring", formatRingState(paced(ring.value, { paused: true })), ring.version);
  });
  for (const name of ["zdata2", "zdata3", "zdata4"]) await cluster.data(name, `${name}:1`);
  const topology = await cluster.sees(router, "two wait", ({ ring }) => ring?.value.queue?.length === 2);
  const { change, queue = [] } = topology.ring?.value ?? assert.fail();
  assert.deepEqual(change?.groups, ["zdata1", "zdata2"]);
  assert.deepEqual(
    queue.map((request) => request.kind === "add" && request.group),
    ["zdata3", "zdata4"],
  );
  assert.equal(
    waitingReason(topology, "zdata3"),
    `it enters the ring after change ${change?.id}, which is under way`,
  );
  assert.match(waitingReason(topology, "zdata4") ?? "", /which is under way and 1 more$/);
});

test("a new group waits for an operator where newgroups says so, and is told how it gets in", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1", { newGroups: "wait" });
  await cluster.data("zdata1", "d1:1");
  await cluster.sees(router, "zdata1 is in the ring", ({ ring }) => ring?.value.groups.length === 1);
  await cluster.data("zdata2", "d2:1");
  await cluster.clock.pass(60_000);
  const topology = router.topology.current ?? assert.fail();
  assert.deepEqual(topology.ring?.value.groups, ["zdata1"]);
  assert.match(waitingReason(topology, "zdata2") ?? "", /unless newgroups is wait; "kvlab ring add zdata2"/);
});

test("the znode of the primary's number follows the state, for people and old tools", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  const first = await cluster.data("zdata1", "d1:1");
  const second = await cluster.data("zdata1", "d1:2");
  await cluster.put(first, "a", "1");
  const session = await cluster.session();
  const shown = async () => new TextDecoder().decode((await session.get("/data/zdata1/primary")).data);
  assert.equal(await shown(), "1");
  await cluster.sees(router, "both are in sync", ({ groups }) => {
    return groups.get("zdata1")?.state?.value.inSync.length === 2;
  });
  await first.leave();
  await cluster.clock.until("the second serves", () => second.status().unavailable === undefined);
  assert.equal(await shown(), "2");
});

test("what is wrong with one group's znodes keeps no other group from getting a primary", async () => {
  const cluster = await NodeCluster.start();
  const session = await cluster.session();
  for (const path of ["/data", "/data/broken", "/data/broken/state"]) {
    await session.create(path, new TextEncoder().encode("what is this?"), "persistent");
  }
  await cluster.router("r:1");
  const node = await cluster.data("zdata1", "d1:1");
  await cluster.put(node, "a", "1");
  assert.match(cluster.log.join("\n"), /\/data\/broken\/state holds "what is this\?"/);
});

test("a group gets its primary while the primary of another one is asked for its keys, and does not answer", async () => {
  const cluster = await NodeCluster.start();
  await cluster.router("r:1");
  const node = await cluster.data("zdata1", "d1:1");
  await cluster.put(node, "a", "1");
  const asked = Promise.withResolvers<void>();
  const silent = await cluster.data("zdata2", "d2:1");
  silent.peers.countMisplaced = () => {
    asked.resolve();
    return new Promise(() => {});
  };
  await cluster.clock.settled(asked.promise);
  const third = await cluster.data("zdata3", "d3:1");
  await cluster.clock.until("it has a primary", () => third.status().primary, 1000);
});
