import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouterNode } from "../../../src/cluster/node/router-node.ts";
import { LogDisk } from "../../support/log-disk.ts";
import { NodeCluster } from "../../support/node-cluster.ts";

/** What a router asks the only node of group "g" with, once that is registered. */
async function asSeenBy(router: RouterNode, cluster: NodeCluster) {
  const { groups } = await cluster.sees(
    router,
    "the node is registered",
    (topology) => topology.groups.get("g")?.nodes.length === 1,
  );
  const { number = 0, incarnation = "" } = groups.get("g")?.nodes[0] ?? {};
  return { group: "g", number, incarnation };
}

test("where a log ends is told of this registration of this replica alone, and to callers of earlier versions", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  const node = await cluster.data("g", "a:1");
  const asked = await asSeenBy(router, cluster);
  assert.deepEqual(node.peers.position(asked), node.peers.position({ group: "g" }));
  const other = { code: "refused", message: /this node is not node \d+ \(\d+\) now/ };
  assert.throws(() => node.peers.position({ ...asked, number: asked.number + 1 }), other);
  assert.throws(() => node.peers.position({ ...asked, incarnation: `${asked.incarnation}0` }), other);
});

test("a node does not tell where its log ends before the log has its number: a crash would leave it nobody's", async () => {
  const cluster = await NodeCluster.start();
  const router = await cluster.router("r:1");
  const disk = new LogDisk();
  const store = await disk.open({ clock: cluster.clock });
  const held = Promise.withResolvers<void>();
  disk.hold = held.promise;
  const starting = cluster.start("g", "a:1", store);
  const asked = await asSeenBy(router, cluster);
  assert.throws(() => starting.node.peers.position(asked), { code: "refused" });
  disk.hold = undefined;
  held.resolve();
  await cluster.clock.settled(starting.joined);
  assert.deepEqual(starting.node.peers.position(asked), { epoch: 0, seq: 0 });
});
