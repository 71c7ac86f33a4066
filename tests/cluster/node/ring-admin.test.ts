import assert from "node:assert/strict";
import { test } from "node:test";
import type { Topology } from "../../../src/cluster/metadata/model.ts";
import type { DataNode } from "../../../src/cluster/node/data-node.ts";
import { removeGroup } from "../../../src/cluster/node/remove-group.ts";
import type { RouterNode } from "../../../src/cluster/node/router-node.ts";
import { HashRing } from "../../../src/cluster/ring/hash-ring.ts";
import { placeOfGroup, waitingReason } from "../../../src/cluster/ring/placement.ts";
import { CoordinationError } from "../../../src/coordination/coordination.ts";
import { type Intercept, interceptedSession } from "../../support/intercepted-session.ts";
import { dbfile, openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

const never = new AbortController().signal;
const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`);
const addThird = { kind: "add", group: "zdata3" } as const;

interface Started {
  readonly cluster: NodeCluster;
  readonly router: RouterNode;
  readonly nodes: ReadonlyMap<string, DataNode>;
}

/** A cluster of two groups with keys, and a third that waits for an operator. */
async function written(): Promise<Started> {
  const cluster = await NodeCluster.start();
  const nodes = new Map<string, DataNode>();
  for (const name of ["zdata1", "zdata2"]) nodes.set(name, await cluster.data(name, `${name}:1`));
  const router = await cluster.router("r:1", { newGroups: "wait" });
  await cluster.sees(router, "both are in the ring", ({ ring }) => ring?.value.groups.length === 2);
  const ring = new HashRing(["zdata1", "zdata2"], { virtualNodes: 2 });
  for (const key of keys) await cluster.put(nodes.get(ring.owner(key) ?? "") ?? assert.fail(), key, "value");
  nodes.set("zdata3", await cluster.data("zdata3", "zdata3:1"));
  await cluster.sees(router, "all have primaries", ({ groups }) =>
    [...groups.values()].every(({ state }) => state?.value.primary !== undefined),
  );
  await cluster.clock.until(
    "the third serves",
    () => nodes.get("zdata3")?.status().unavailable === undefined,
  );
  return { cluster, router, nodes };
}

/** How many of the keys another ring gives to a group that has not got them. */
function moving(groups: readonly string[], to: string): number {
  const before = new HashRing(["zdata1", "zdata2"], { virtualNodes: 2 });
  const after = new HashRing(groups, { virtualNodes: 2 });
  return keys.filter((key) => after.owner(key) === to && before.owner(key) !== to).length;
}

test("the ring is shown with shares, keys and bytes by group", async () => {
  const { cluster, router } = await written();
  const { ring, groups, moves } = await cluster.clock.settled(router.ring(never));
  assert.deepEqual(ring.groups, ["zdata1", "zdata2"]);
  assert.deepEqual(moves, []);
  assert.deepEqual(
    groups.map(({ name, place, points, report }) => [name, place, points, (report?.bytes ?? 0) > 0]),
    [
      ["zdata1", "in", 3, true],
      ["zdata2", "in", 3, true],
      ["zdata3", "new", 0, true],
    ],
  );
  assert.equal(
    groups.reduce((sum, { report }) => sum + (report?.keys ?? 0), 0),
    keys.length,
  );
  assert.equal(
    groups.reduce((sum, { share }) => sum + share, 0),
    1,
  );
});

test("a dry run says which keys would move, and changes nothing", async () => {
  const { cluster, router } = await written();
  const before = router.topology.current?.ring;
  const plan = await cluster.clock.settled(router.changeRing(addThird, { dryRun: true }, never));
  assert.equal(plan.outcome, "begun");
  assert.equal(plan.change, undefined);
  assert.ok(plan.moves.every(({ to, bytes = 0 }) => to === "zdata3" && bytes > 0));
  assert.equal(
    plan.moves.reduce((sum, move) => sum + (move.keys ?? 0), 0),
    moving(["zdata1", "zdata2", "zdata3"], "zdata3"),
  );
  assert.equal(router.topology.current?.ring, before);
});

test("a change begins, the next one waits, and each can be paced and aborted", async () => {
  const { cluster, router } = await written();
  const { clock } = cluster;
  const begun = await clock.settled(router.changeRing({ ...addThird, rate: 1 }, {}, never));
  assert.equal(begun.outcome, "begun");
  assert.ok(begun.moves.length > 0);
  // The router sees its own change at once.
  const ring = () => router.topology.current?.ring?.value ?? assert.fail();
  assert.equal(ring().change?.id, begun.change);
  assert.equal(ring().change?.rate, 1);
  const queued = await clock.settled(
    router.changeRing({ kind: "virtual-nodes", virtualNodes: 64 }, {}, never),
  );
  assert.deepEqual([queued.outcome, queued.change, queued.ahead], ["queued", undefined, 1]);
  assert.ok(queued.moves.length >= 4);
  assert.deepEqual(await clock.settled(router.paceRing({ paused: true }, undefined, never)), {
    id: begun.change,
    rate: 1,
  });
  assert.equal(ring().change?.paused, true);
  await clock.settled(router.paceRing({ paused: false, rate: 0 }, undefined, never));
  assert.equal(ring().change?.rate, undefined);
  await clock.settled(router.changeRing({ kind: "drain", group: "zdata1" }, {}, never));
  const aborted = await clock.settled(router.abortRing(undefined, never));
  // Nothing had moved, so what waited has begun.
  const next = ring().change?.id;
  assert.deepEqual(aborted, {
    aborted: begun.change,
    change: undefined,
    moves: [],
    begun: next,
    queue: [{ kind: "drain", group: "zdata1" }],
  });
  assert.equal(ring().change?.virtualNodes, 64);
  assert.deepEqual(await clock.settled(router.withdrawRing(undefined, never)), {
    withdrawn: [{ kind: "drain", group: "zdata1" }],
    queue: [],
  });
  assert.deepEqual([ring().queue, ring().change?.id], [undefined, next]);
  assert.equal(placeOfGroup(ring(), "zdata3"), "kept-outside");
  assert.match(waitingReason(router.topology.current ?? assert.fail(), "zdata3") ?? "", /operator/);
  const { moves } = await clock.settled(router.ring(never));
  assert.ok(moves.every(({ done, progress }) => !done && progress === undefined));
});

test("nothing is done for a caller who has gone", async () => {
  const { cluster, router } = await written();
  const { clock } = cluster;
  await clock.settled(router.changeRing({ ...addThird, rate: 1 }, {}, never));
  const before = router.topology.current?.ring?.value;
  const gone = AbortSignal.abort(new Error("the caller has gone"));
  const calls: (() => Promise<unknown>)[] = [
    () => router.changeRing({ kind: "virtual-nodes", virtualNodes: 64 }, {}, gone),
    () => router.paceRing({ paused: true }, undefined, gone),
    () => router.abortRing(undefined, gone),
  ];
  for (const call of calls) await assert.rejects(clock.settled(call()), /the caller has gone/);
  const { ring } = await clock.settled(router.ring(never));
  assert.deepEqual([ring.change, ring.queue], [before?.change, undefined]);
});

test("what cannot be done is refused, by name", async () => {
  const { cluster, router } = await written();
  const refused = async (call: Promise<unknown>, code: string, message: RegExp) => {
    await assert.rejects(cluster.clock.settled(call), { code, message });
  };
  const change = (request: Parameters<RouterNode["changeRing"]>[0], dryRun = false) =>
    router.changeRing(request, { dryRun }, never);
  await refused(change({ kind: "add", group: "nosuch" }), "not-found", /there is no group "nosuch"/);
  await refused(change({ kind: "add", group: "zdata1" }), "refused", /"zdata1" is in the ring/);
  await refused(change({ kind: "drain", group: "zdata3" }, true), "refused", /"zdata3" is not in the ring/);
  await refused(change({ kind: "virtual-nodes", virtualNodes: 2 }), "refused", /has 2 virtual nodes/);
  await refused(change({ kind: "virtual-nodes", virtualNodes: 1e6 }), "invalid", /virtual nodes 1000000/);
  await refused(
    router.paceRing({ paused: true }, undefined, never),
    "refused",
    /no ring change is under way/,
  );
  await refused(router.abortRing(undefined, never), "refused", /no ring change is under way/);
});

test("a group without a primary is not let in, nor drained", async () => {
  const { cluster, router, nodes } = await written();
  await nodes.get("zdata3")?.leave();
  await nodes.get("zdata2")?.leave();
  await cluster.sees(router, "they are gone", ({ groups }) =>
    ["zdata2", "zdata3"].every((name) => groups.get(name)?.nodes.length === 0),
  );
  for (const request of [addThird, { kind: "drain", group: "zdata2" } as const]) {
    await assert.rejects(cluster.clock.settled(router.changeRing(request, {}, never)), {
      code: "unavailable",
      message: /no keys can move: group "zdata\d" has no primary now/,
    });
  }
});

test("a group with keys of an old log is not let in: they would be lost", async () => {
  const { cluster, router } = await written();
  const disk = new SimulatedDisk();
  disk.place(dbfile, Buffer.from("YQ==\nMQ==\n#\n"));
  const node = await cluster.data("zdata4", "zdata4:1", await openOn(disk));
  await cluster.clock.until("it serves", () => node.status().unavailable === undefined);
  const adding = router.changeRing({ kind: "add", group: "zdata4" }, {}, never);
  await assert.rejects(cluster.clock.settled(adding), {
    code: "refused",
    message: /"zdata4" holds 1 key from before/,
  });
});

test("a group whose keys cannot be counted now is not let in: it may have an old log", async () => {
  const { cluster, router, nodes } = await written();
  const third = nodes.get("zdata3") ?? assert.fail();
  third.peers.countMisplaced = () => Promise.reject(new Error("the new primary is still taking over"));
  await assert.rejects(cluster.clock.settled(router.changeRing(addThird, {}, never)), {
    code: "unavailable",
    message: /whether group "zdata3" holds keys .* is not known now: the new primary is still taking over/,
  });
  assert.equal(router.topology.current?.ring?.value.change, undefined);
});

/** A log of the original program with these keys. */
async function oldLog() {
  const disk = new SimulatedDisk();
  const entries = keys.map((key) => `${Buffer.from(key).toString("base64")}\nMQ==\n#\n`);
  disk.place(dbfile, Buffer.from(entries.join("")));
  return await openOn(disk);
}

test("of two groups with old logs, the second is not let in before the first write either", async () => {
  const cluster = await NodeCluster.start();
  await cluster.data("zdata1", "zdata1:1", await oldLog());
  const router = await cluster.router("r:1", { newGroups: "wait" });
  await cluster.sees(router, "it is in the ring", ({ ring }) => ring?.value.groups.length === 1);
  const second = await cluster.data("zdata2", "zdata2:1", await oldLog());
  await cluster.clock.until("the second serves", () => second.status().unavailable === undefined);
  const adding = router.changeRing({ kind: "add", group: "zdata2" }, {}, never);
  await assert.rejects(cluster.clock.settled(adding), { code: "refused", message: /"zdata2" holds 60 keys/ });
});

test("keys of logs that were there before the first write are moved too, when an operator changes the ring", async () => {
  const cluster = await NodeCluster.start();
  await cluster.data("zdata1", "zdata1:1", await oldLog());
  const router = await cluster.router("r:1", { newGroups: "wait" });
  await cluster.sees(router, "it is in the ring", ({ ring }) => ring?.value.groups.length === 1);
  const second = await cluster.data("zdata2", "zdata2:1");
  await cluster.clock.until("the second serves", () => second.status().unavailable === undefined);
  const { outcome } = await cluster.clock.settled(
    router.changeRing({ kind: "add", group: "zdata2" }, {}, never),
  );
  assert.equal(outcome, "begun");
  assert.equal(router.topology.current?.ring?.value.written, true);
});

test("before there are keys, a change of the ring is made at once", async () => {
  const cluster = await NodeCluster.start();
  for (const name of ["zdata1", "zdata2"]) await cluster.data(name, `${name}:1`);
  const router = await cluster.router("r:1");
  await cluster.sees(router, "both are in the ring", ({ ring }) => ring?.value.groups.length === 2);
  await cluster.clock.pass(2000);
  const { outcome } = await cluster.clock.settled(
    router.changeRing({ kind: "virtual-nodes", virtualNodes: 128 }, {}, never),
  );
  assert.equal(outcome, "done");
  const { virtualNodes, change, written } = router.topology.current?.ring?.value ?? assert.fail();
  assert.deepEqual([virtualNodes, change, written], [128, undefined, false]);
});

test("a group is removed only when it is outside the ring and its nodes are stopped; then it is as if it had never been", async () => {
  const { cluster, router, nodes } = await written();
  const { clock } = cluster;
  const removing = (group: string) => clock.settled(router.removeGroup(group, never));
  await assert.rejects(removing("nosuch"), { code: "not-found", message: /there is no group "nosuch"/ });
  await assert.rejects(removing("zdata1"), {
    code: "refused",
    message: /is in the ring; "kvlab ring drain zdata1"/,
  });
  await assert.rejects(removing("zdata3"), {
    code: "refused",
    message: /node 1 \(zdata3:1\) of group "zdata3" is registered; stop it first/,
  });
  await clock.settled(router.changeRing({ ...addThird, rate: 1 }, {}, never));
  await assert.rejects(removing("zdata3"), {
    code: "refused",
    message: /enters the ring with change \d+; "kvlab ring abort"/,
  });
  await clock.settled(router.abortRing(undefined, never));
  await nodes.get("zdata3")?.leave();
  await cluster.sees(router, "its node is gone", ({ groups }) => groups.get("zdata3")?.nodes.length === 0);
  const lastEpoch = router.topology.current?.groups.get("zdata3")?.state?.value.epoch ?? assert.fail();
  await removing("zdata3");
  const gone = await cluster.sees(router, "it is gone", ({ groups }) => !groups.has("zdata3"));
  const { outside, removed, version: ringVersion } = gone.ring?.value ?? assert.fail();
  assert.equal(outside, undefined);
  assert.deepEqual(removed, [{ group: "zdata3", ringVersion, firstEpoch: 0, lastEpoch }]);
  const session = await cluster.session();
  assert.deepEqual((await session.children("/data")).sort(), ["lock", "zdata1", "zdata2"]);
  await cluster.data("zdata3", "zdata3:2");
  const again = await cluster.sees(router, "one of that name comes", ({ groups }) => {
    return groups.get("zdata3")?.state?.value.primary !== undefined;
  });
  assert.equal(placeOfGroup(again.ring?.value ?? assert.fail(), "zdata3"), "new");
  assert.equal(again.groups.get("zdata3")?.state?.value.epoch, lastEpoch + 1);
  await clock.pass(2000);
  const shown = await session.get("/data/zdata3/primary");
  assert.equal(new TextDecoder().decode(shown.data), "1");
});

/**
 * Removes zdata3, which has no nodes any more, by a router that has seen nothing else since then. `intercept` sees the calls
 * of its session.
 */
async function removeThird(
  cluster: NodeCluster,
  before: Topology,
  intercept: Intercept = (_, perform) => perform(),
): Promise<void> {
  const session = interceptedSession(await cluster.clock.settled(cluster.session()), intercept);
  const groups = new Map(before.groups);
  groups.set("zdata3", { name: "zdata3", state: before.groups.get("zdata3")?.state, nodes: [] });
  const options = {
    topology: { ...before, groups },
    session: () => session,
    clock: cluster.clock,
    access: "open",
    askReport: () => Promise.reject(new Error("nobody is there")),
    log: () => {},
    signal: never,
  } as const;
  await cluster.clock.settled(removeGroup("zdata3", options));
}

test("a group that has entered the ring is not removed by a router that does not know yet", async () => {
  const { cluster, router, nodes } = await written();
  const before = router.topology.current ?? assert.fail();
  await cluster.clock.settled(router.changeRing(addThird, {}, never));
  await cluster.sees(router, "it is in the ring", ({ ring }) => ring?.value.groups.length === 3);
  await nodes.get("zdata3")?.leave();
  await assert.rejects(removeThird(cluster, before), { code: "refused", message: /is in the ring/ });
  assert.ok(router.topology.current?.groups.get("zdata3")?.state !== undefined);
});

test("what is remembered of a removed group stays when another router ends a removal that was cut off", async () => {
  const { cluster, router, nodes } = await written();
  const { clock } = cluster;
  await clock.settled(router.changeRing({ ...addThird, rate: 1 }, {}, never));
  await clock.settled(router.abortRing(undefined, never));
  await nodes.get("zdata3")?.leave();
  const before = await cluster.sees(router, "its node is gone", ({ groups }) => {
    return groups.get("zdata3")?.nodes.length === 0;
  });
  const session = await clock.settled(cluster.session());
  // The first router has come so far: the ring knows, and the state is deleted.
  const top = await clock.settled(session.get("/data/zdata3/top"));
  await clock.settled(router.removeGroup("zdata3", never));
  const { ring } = await cluster.sees(router, "it is gone", ({ groups }) => !groups.has("zdata3"));
  await clock.settled(session.create("/data/zdata3", new Uint8Array(), "persistent", "open"));
  await clock.settled(session.create("/data/zdata3/top", top.data, "persistent", "open"));
  await removeThird(cluster, before);
  assert.deepEqual(router.topology.current?.ring?.value.removed, ring?.value.removed);
});

test("a removal that is cut off leaves no facts about the logs without the state, for a later group of that name", async () => {
  for (const order of [1, -1]) {
    const { cluster, router, nodes } = await written();
    await nodes.get("zdata3")?.leave();
    const before = await cluster.sees(router, "its node is gone", ({ groups }) => {
      return groups.get("zdata3")?.nodes.length === 0;
    });
    const session = await cluster.clock.settled(cluster.session());
    // It comes one znode further each time. Servers list children in any order.
    let deletions = 0;
    let isOver = false;
    while (!isOver) {
      deletions = 0;
      const removing = removeThird(cluster, before, async ({ name, path }, perform) => {
        const isChild = name === "delete" && path.startsWith("/data/zdata3/");
        if (isChild && ++deletions > 1) throw new CoordinationError("SYSTEM", "cut off");
        const answer = await perform();
        return Array.isArray(answer) ? answer.sort((a, b) => (a < b ? -order : order)) : answer;
      });
      isOver = await removing.then(
        () => true,
        () => false,
      );
      const left = isOver ? [] : await cluster.clock.settled(session.children("/data/zdata3"));
      assert.ok(left.includes("state") || !left.includes("logs"), left.join());
    }
  }
});

test("a group that still holds keys is not removed while its nodes are there", async () => {
  const { cluster, router } = await written();
  const session = await cluster.session();
  const found = await session.get("/ring");
  // As when it has been drained, and its keys are not removed yet.
  const drained = {
    ...JSON.parse(new TextDecoder().decode(found.data)),
    groups: ["zdata1"],
    outside: ["zdata2"],
  };
  await session.set("/ring", new TextEncoder().encode(JSON.stringify(drained)), found.stat.version);
  await cluster.sees(router, "zdata2 is outside", ({ ring }) => ring?.value.groups.length === 1);
  await assert.rejects(cluster.clock.settled(router.removeGroup("zdata2", never)), {
    code: "refused",
    message: /group "zdata2" holds \d+ keys/,
  });
});
