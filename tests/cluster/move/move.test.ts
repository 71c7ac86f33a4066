import assert from "node:assert/strict";
import { test } from "node:test";
import type { RingState } from "../../../src/cluster/metadata/model.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { DataNode } from "../../../src/cluster/node/data-node.ts";
import type { RouterNode } from "../../../src/cluster/node/router-node.ts";
import { placementOf } from "../../../src/cluster/ring/placement.ts";
import { aborted, paced, requested } from "../../../src/cluster/ring/ring-change.ts";
import { NodeCluster } from "../../support/node-cluster.ts";

const never = new AbortController().signal;
const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`);

/** A cluster of one router and groups of one node each, by name. The ring is written to. */
class Groups {
  readonly cluster: NodeCluster;
  readonly router: RouterNode;
  readonly nodes = new Map<string, DataNode>();

  static async start(names: readonly string[]): Promise<Groups> {
    const cluster = await NodeCluster.start();
    const groups = new Groups(cluster, await cluster.router("r:1"));
    for (const name of names) {
      const node = await groups.add(name);
      await cluster.clock.until("it serves", () => node.status().unavailable === undefined);
    }
    await cluster.sees(
      groups.router,
      "all are in the ring",
      ({ ring }) => ring?.value.groups.length === names.length,
    );
    return groups;
  }

  constructor(cluster: NodeCluster, router: RouterNode) {
    this.cluster = cluster;
    this.router = router;
  }

  get ring(): RingState {
    return this.router.topology.current?.ring?.value ?? assert.fail("there is no ring");
  }

  async add(name: string): Promise<DataNode> {
    const node = await this.cluster.data(name, `${name}:1`);
    this.nodes.set(name, node);
    return node;
  }

  node(name: string): DataNode {
    return this.nodes.get(name) ?? assert.fail(`there is no group ${name}`);
  }

  ownerOf(key: string): DataNode {
    return this.node(placementOf(this.ring).owner(key) ?? "");
  }

  async put(key: string, value: string, options = {}): Promise<number> {
    const put = { key, value: new TextEncoder().encode(value), text: true, ...options };
    return await this.cluster.clock.settled(this.ownerOf(key).calls.put(put, never));
  }

  async get(key: string): Promise<{ text: string; revision: number; expiresMs: number | undefined }> {
    const { value, revision, expiresMs } = await this.cluster.clock.settled(
      this.ownerOf(key).calls.get(key, never),
    );
    return { text: new TextDecoder().decode(value), revision, expiresMs };
  }

  async change(next: (ring: RingState) => RingState): Promise<void> {
    await this.cluster.changeRing(next);
  }

  async untilMoved(): Promise<void> {
    await this.cluster.clock.until("the change is over", () => this.ring.change === undefined);
    for (const node of this.nodes.values()) {
      await this.cluster.sees(node, "it, too", ({ ring }) => ring?.value.version === this.ring.version);
    }
  }

  /** The keys that a scan of each group shows. */
  async shown(): Promise<Map<string, string[]>> {
    const shown = new Map<string, string[]>();
    for (const [name, node] of this.nodes) {
      const scan = await this.cluster.clock.settled(node.calls.scan({}, never));
      const keys = await this.cluster.clock.settled(scan.nextKeys(10_000));
      shown.set(name, keys.map(({ key }) => key).sort());
      await scan.close();
    }
    return shown;
  }

  /** The keys of each group by the ring. */
  placed(): Map<string, string[]> {
    const placement = placementOf(this.ring);
    return new Map(
      [...this.nodes.keys()].map((name) => [
        name,
        keys.filter((key) => placement.owner(key) === name).sort(),
      ]),
    );
  }
}

test("a new group gets its share of the keys, with their revisions and times to live, and no other keeps them", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  const revisions = new Map<string, number>();
  for (const key of keys) revisions.set(key, await groups.put(key, `value of ${key}`, { ttlMs: 3_600_000 }));
  for (const key of keys.slice(0, 50)) revisions.set(key, await groups.put(key, "again"));
  const before = new Map<string, Awaited<ReturnType<Groups["get"]>>>();
  for (const key of keys) before.set(key, await groups.get(key));

  await groups.add("zdata3");
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3" }));
  await groups.untilMoved();

  assert.deepEqual(groups.ring.groups, ["zdata1", "zdata2", "zdata3"]);
  assert.deepEqual(await groups.shown(), groups.placed());
  assert.ok((groups.placed().get("zdata3")?.length ?? 0) > 20);
  for (const key of keys) assert.deepEqual(await groups.get(key), before.get(key));
  for (const key of keys) {
    assert.ok((await groups.put(key, "after the move")) > (revisions.get(key) ?? 0), key);
  }
  await groups.cluster.clock.until("what has gone is removed", () =>
    [...groups.nodes].every(([name, node]) => node.status().keys === groups.placed().get(name)?.length),
  );
});

test("every key is readable and writable all the time while keys move, and each write stays", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  for (const key of keys) await groups.put(key, "0");
  await groups.add("zdata3");
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3", rate: 2000 }));
  const last = new Map(keys.map((key) => [key, "0"]));
  let round = 0;
  while (groups.ring.change !== undefined || round < 2) {
    round++;
    await groups.cluster.clock.pass(5);
    for (const [index, key] of keys.entries()) {
      if (index % 7 !== round % 7) continue;
      const value = `${round}`;
      await retried(groups, () => groups.put(key, value));
      last.set(key, value);
      assert.equal((await retried(groups, () => groups.get(key))).text, value);
    }
  }
  await groups.untilMoved();
  for (const key of keys) assert.equal((await groups.get(key)).text, last.get(key), key);
  assert.deepEqual(await groups.shown(), groups.placed());
});

test("a request that was answered before its key moved is answered the same after, and not carried out again", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  const placed = new Map<string, number>();
  for (const [index, key] of keys.entries()) {
    placed.set(key, await groups.put(key, "once", { requestId: { id: `id-${index}`, afterRevision: 0 } }));
  }
  await groups.add("zdata3");
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3" }));
  await groups.untilMoved();
  for (const key of keys) await groups.put(key, "later");
  for (const [index, key] of keys.entries()) {
    const requestId = { id: `id-${index}`, afterRevision: 0 };
    assert.equal(await groups.put(key, "once", { requestId }), placed.get(key), key);
    assert.equal((await groups.get(key)).text, "later");
  }
});

test("a write that was named after a later revision of the former group is carried out", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  for (const key of keys) await groups.put(key, "before");
  const former = new Map(keys.map((key) => [key, groups.ownerOf(key)]));
  await groups.add("zdata3");
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3" }));
  await groups.untilMoved();
  const moved = keys.find((key) => groups.ownerOf(key) === groups.node("zdata3")) ?? assert.fail();
  const left = keys.find((key) => groups.ownerOf(key) === former.get(moved)) ?? assert.fail();
  // The group goes on with its other keys, and a caller who has not seen the end of the move sends it a write of the moved one.
  let afterRevision = 0;
  for (let count = 0; count < 500; count++) afterRevision = await groups.put(left, `${count}`);
  const requestId = { id: "id", afterRevision };
  const revision = await groups.put(moved, "after", { requestId });
  assert.equal(await groups.put(moved, "after", { requestId }), revision);
  assert.equal((await groups.get(moved)).text, "after");
});

test("requests do not multiply when their keys go back and forth, and are still known", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  const placed = new Map<string, number>();
  for (const [index, key] of keys.entries()) {
    placed.set(key, await groups.put(key, "once", { requestId: { id: `id-${index}`, afterRevision: 0 } }));
    await groups.put(key, "later");
  }
  const grown: number[] = [];
  for (let round = 0; round < 6; round++) {
    const records = () => [...groups.nodes.values()].reduce((sum, node) => sum + node.status().lastSeq, 0);
    const before = records();
    for (const kind of ["drain", "add"] as const) {
      await groups.change((ring) => requested(ring, { kind, group: "zdata2" }));
      await groups.untilMoved();
      // Else the next change would find what this one has still to remove.
      await groups.cluster.clock.until("what has gone is removed", () =>
        [...groups.nodes].every(([name, node]) => node.status().keys === groups.placed().get(name)?.length),
      );
    }
    grown.push(records() - before);
  }
  const [, second = 0, ...later] = grown;
  for (const count of later) assert.ok(count <= second, `records in each round: ${grown}`);
  for (const [index, key] of keys.entries()) {
    const requestId = { id: `id-${index}`, afterRevision: 0 };
    assert.equal(await groups.put(key, "once", { requestId }), placed.get(key), key);
    assert.equal((await groups.get(key)).text, "later");
  }
});

test("earlier values of a key do not multiply when it is written while its group is copied", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  for (const key of keys) await groups.put(key, "x".repeat(900));
  const records = () => [...groups.nodes.values()].reduce((sum, node) => sum + node.status().lastSeq, 0);
  const grown: number[] = [];
  let written = 0;
  for (let round = 0; round < 6; round++) {
    for (const kind of ["drain", "add"] as const) {
      const before = records() - written;
      // So slow that keys are written between two chunks.
      await groups.change((ring) => requested(ring, { kind, group: "zdata2", rate: 1000 }));
      await groups.cluster.clock.until("it has begun", () => groups.ring.change !== undefined);
      while (groups.ring.change !== undefined) {
        for (const key of keys.slice(0, 20)) await retried(groups, () => groups.put(key, `${written++}`));
        await groups.cluster.clock.pass(20);
      }
      await groups.untilMoved();
      grown.push(records() - written - before);
    }
  }
  for (const count of grown) assert.ok(count < 3 * keys.length, `records in each change: ${grown}`);
});

test("a drained group gives all its keys away and stays outside; a group that is added again gets them back", async () => {
  const groups = await Groups.start(["zdata1", "zdata2", "zdata3"]);
  for (const key of keys) await groups.put(key, key);
  await groups.change((ring) => requested(ring, { kind: "drain", group: "zdata2" }));
  await groups.untilMoved();
  assert.deepEqual(groups.ring.groups, ["zdata1", "zdata3"]);
  assert.deepEqual(groups.ring.outside, ["zdata2"]);
  // Both groups have got keys by their first attempts, which have the same name.
  assert.deepEqual(
    groups.cluster.log.filter((line) => line.includes("cannot be moved")),
    [],
  );
  assert.deepEqual(await groups.shown(), groups.placed());
  await groups.cluster.clock.pass(60_000);
  assert.equal(groups.node("zdata2").status().keys, 0);
  assert.deepEqual(groups.ring.groups, ["zdata1", "zdata3"]);
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata2" }));
  await groups.untilMoved();
  assert.deepEqual(await groups.shown(), groups.placed());
  for (const key of keys) assert.equal((await groups.get(key)).text, key);
});

test("more virtual nodes move keys between all groups, in both directions", async () => {
  const groups = await Groups.start(["zdata1", "zdata2", "zdata3"]);
  for (const key of keys) await groups.put(key, key);
  await groups.change((ring) => requested(ring, { kind: "virtual-nodes", virtualNodes: 64 }));
  await groups.untilMoved();
  assert.equal(groups.ring.virtualNodes, 64);
  assert.deepEqual(await groups.shown(), groups.placed());
  for (const key of keys) assert.equal((await groups.get(key)).text, key);
});

test("an aborted change leaves every key where it was, and no copies", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  for (const key of keys) await groups.put(key, key);
  const before = groups.ring;
  await groups.add("zdata3");
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3", rate: 100 }));
  await groups.cluster.clock.until("some copies", () => groups.node("zdata3").status().keys > 10);
  await groups.change(aborted);
  await groups.untilMoved();
  assert.deepEqual(groups.ring.groups, before.groups);
  assert.deepEqual(groups.ring.outside, ["zdata3"]);
  for (const key of keys) assert.equal((await groups.get(key)).text, key);
  await groups.cluster.clock.until("no copies", () => groups.node("zdata3").status().keys === 0);
});

test("a paused change stops, and goes on when it is resumed", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  for (const key of keys) await groups.put(key, key);
  await groups.add("zdata3");
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3", rate: 100 }));
  await groups.cluster.clock.until("some copies", () => groups.node("zdata3").status().keys > 10);
  await groups.change((ring) => paced(ring, { paused: true }));
  await groups.cluster.clock.pass(60_000);
  assert.equal(groups.ring.change?.done.length, 0);
  await groups.change((ring) => paced(ring, { paused: false, rate: 0 }));
  await groups.untilMoved();
  assert.deepEqual(await groups.shown(), groups.placed());
});

/** Makes a call until it is not refused for a key that changes hands, as clients do. */
async function retried<T>({ cluster }: Groups, call: () => Promise<T>): Promise<T> {
  for (let attempts = 0; ; attempts++) {
    try {
      return await call();
    } catch (error) {
      const isPassing = error instanceof OperationError && ["unavailable", "wrong-node"].includes(error.code);
      if (!isPassing || attempts > 100) throw error;
      await cluster.clock.pass(20);
    }
  }
}

test("keys move at the rate that the change has", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  const many = Array.from({ length: 5000 }, (_, index) => `many-${index}`);
  for (const key of many) await groups.put(key, "x".repeat(100));
  await groups.add("zdata3");
  const { clock } = groups.cluster;
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3", rate: 500 }));
  await clock.until("it has begun", () => groups.node("zdata3").status().moves.length > 0);
  const startMs = clock.monotonicMs();
  await groups.untilMoved();
  const seconds = (clock.monotonicMs() - startMs) / 1000;
  const rate = groups.node("zdata3").status().keys / seconds;
  assert.ok(rate > 450 && rate < 550, `${rate} keys a second`);
});

test("neither requests nor what is written meanwhile count for the rate", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  for (const [index, key] of keys.entries()) {
    for (let round = 0; round < 5; round++) {
      await groups.put(key, key, { requestId: { id: `id-${index}-${round}`, afterRevision: 0 } });
    }
  }
  await groups.add("zdata3");
  const { clock } = groups.cluster;
  const rate = 20;
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata3", rate }));
  await clock.until("it has begun", () => groups.node("zdata3").status().moves.length > 0);
  const startMs = clock.monotonicMs();
  for (let index = 0; groups.ring.change !== undefined; index++) {
    const seconds = (clock.monotonicMs() - startMs) / 1000;
    assert.ok(seconds < keys.length / rate, "all keys could have been moved, and more");
    const key = keys[(index * 7) % keys.length] ?? "";
    await retried(groups, () => groups.put(key, "x".repeat(900)));
    await clock.pass(20);
  }
  await groups.untilMoved();
  assert.deepEqual(await groups.shown(), groups.placed());
});

test("keys that were given up before a change was paused are taken over all the same", async () => {
  const groups = await Groups.start(["zdata1"]);
  for (const key of keys) await groups.put(key, key);
  await groups.add("zdata2");
  let begun: RingState | undefined;
  groups.router.topology.onChange(({ ring }) => {
    if (ring?.value.change?.done.length === 0) begun = ring.value;
  });
  await groups.change((ring) => requested(ring, { kind: "add", group: "zdata2" }));
  await groups.untilMoved();
  const { change } = begun ?? assert.fail("no change was seen");
  // As if the destination had not come to note its only move as done before an operator paused the change.
  await groups.change(({ version, written, virtualNodes }) => ({
    version: version + 1,
    virtualNodes,
    written,
    groups: ["zdata1"],
    change: change && { ...change, paused: true },
  }));
  await groups.untilMoved();
  assert.deepEqual(groups.ring.groups, ["zdata1", "zdata2"]);
  for (const key of keys) assert.equal((await groups.get(key)).text, key);
});

test("a step of a ring change that this node has not seen is refused in words, and holds up no other step", async () => {
  const groups = await Groups.start(["zdata1", "zdata2"]);
  const { clock } = groups.cluster;
  const step = (change: number, attempt: string) =>
    groups
      .node("zdata1")
      .peers.moveOut({ group: "zdata1", to: "zdata2", change, attempt, step: { kind: "begin" } }, never);
  const early = step(1000, "early");
  const startMs = clock.monotonicMs();
  await assert.rejects(clock.settled(step(1, "other")), { code: "refused" });
  assert.ok(clock.monotonicMs() - startMs < 1000);
  await assert.rejects(clock.settled(early), {
    code: "unavailable",
    message: "version 1000 of the ring has not been seen here yet",
  });
});
