import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeText } from "../../../src/cluster/metadata/codec.ts";
import { clusterPath } from "../../../src/cluster/metadata/paths.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

async function idOf(cluster: NodeCluster): Promise<string> {
  const { data } = await (await cluster.session()).get(clusterPath);
  return new TextDecoder().decode(data);
}

/** A log of a group, as a node of that cluster has left it. */
async function logOf(cluster: string): Promise<LogStore> {
  const store = await openOn(new SimulatedDisk());
  await store.adopt({ cluster, group: "g", number: 1 });
  return store;
}

/** Starts a node that is not expected to find a place, and waits until it has said so. */
async function refused(cluster: NodeCluster, store: LogStore): Promise<string> {
  void cluster.data("g", "a:1", store).catch(() => {});
  return await cluster.clock.until("the node has failed", () =>
    cluster.log.find((message) => message.startsWith("failed: ")),
  );
}

test("the first process makes the cluster's id, and all know it", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  const store = await openOn(new SimulatedDisk());
  await cluster.data("g", "a:1", store);
  const id = await idOf(cluster);
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(store.identity?.cluster, id);
  await cluster.sees(router, "the id", (topology) => topology.cluster === id);
});

test("the log of another cluster is refused before its node registers", async () => {
  const cluster = await NodeCluster.start();
  await cluster.router("r:1");
  const foreign = "0123456789abcdef0123456789abcdef";
  const failure = await refused(cluster, await logOf(foreign));
  assert.match(failure, new RegExp(`cluster ${foreign}, and ZooKeeper holds cluster ${await idOf(cluster)}`));
  const session = await cluster.session();
  assert.equal(await session.exists("/data/g"), undefined);
});

test("a log of some cluster makes no cluster of that id where there is none", async () => {
  const cluster = await NodeCluster.start();
  const failure = await refused(cluster, await logOf("0123456789abcdef0123456789abcdef"));
  assert.match(failure, /ZooKeeper holds none.*\/cluster/);
  assert.equal(await (await cluster.session()).exists(clusterPath), undefined);
});

test("an id that is none of ours is told, and waited for", async () => {
  const cluster = await NodeCluster.start();
  const session = await cluster.session();
  await session.create(clusterPath, encodeText("my cluster"), "persistent");
  void cluster.router("r:1").catch(() => {});
  await cluster.clock.until("the router says so", () =>
    cluster.log.some((message) => /\/cluster holds "my cluster"; expected the id of a cluster/.test(message)),
  );
});

test("a call of another cluster's node is refused, and one of an earlier version is taken", async () => {
  const cluster = await NodeCluster.start();
  await cluster.router("r:1");
  const node = await cluster.data("g", "a:1");
  const id = await idOf(cluster);
  assert.deepEqual(node.peers.position({ cluster: id, group: "g" }), node.peers.position({ group: "g" }));
  const foreign = { cluster: "0123456789abcdef0123456789abcdef", group: "g" };
  const expected = {
    code: "refused",
    message: new RegExp(`the call is of cluster 0123.*; this node is of cluster ${id}`),
  };
  assert.throws(() => node.peers.position(foreign), expected);
  await assert.rejects(node.peers.countMisplaced({ ...foreign, ringGroups: [], virtualNodes: 2 }), expected);
  const signal = new AbortController().signal;
  await assert.rejects(node.peers.transferLeadership({ ...foreign, number: 2 }, signal), expected);
  const empty = { epoch: 9, primary: 2, target: 1, incarnation: "1", previous: { epoch: 0, seq: 0 } };
  const append = { ...foreign, ...empty, records: [], committedSeq: 0, leaseMs: 500 };
  await assert.rejects(node.peers.replicate().append(append), expected);
});
