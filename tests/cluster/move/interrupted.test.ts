import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRingState } from "../../../src/cluster/metadata/codec.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import { ringPath } from "../../../src/cluster/metadata/paths.ts";
import { requested } from "../../../src/cluster/ring/ring-change.ts";
import { NodeCluster } from "../../support/node-cluster.ts";

const never = new AbortController().signal;

/** A slow move of keys from zdata1 to zdata2, of which some copies have come. */
async function moveUnderWay() {
  const cluster = await NodeCluster.start();
  const { clock } = cluster;
  const router = await cluster.router("r:1", { newGroups: "wait" });
  const source = await cluster.data("zdata1", "zdata1:1");
  await cluster.sees(router, "the ring", ({ ring }) => ring !== undefined);
  await clock.until("it serves", () => source.status().unavailable === undefined);
  for (let key = 0; key < 200; key++) await cluster.put(source, `key-${key}`, "value");
  const destination = await cluster.data("zdata2", "zdata2:1");
  await clock.until("it serves", () => destination.status().unavailable === undefined);

  const ring = router.topology.current?.ring ?? assert.fail("there is no ring");
  const next = requested(ring.value, { kind: "add", group: "zdata2", rate: 10 });
  const session = await clock.settled(cluster.session());
  await clock.settled(session.set(ringPath, formatRingState(next), ring.version));
  await clock.until("some copies", () => destination.status().keys > 0);
  return { cluster, clock, router, source, destination, session, change: next.change?.id ?? 0 };
}

test("a move that ends because its destination is no longer the primary is unavailable, and says why", async () => {
  const { clock, destination, change } = await moveUnderWay();
  const move = destination.peers.moveIn({ group: "zdata2", from: "zdata1", change });
  const rejected = assert.rejects(move, (error) => {
    assert.ok(error instanceof OperationError, String(error));
    assert.equal(error.code, "unavailable");
    assert.match(error.message, /the node is stopping/);
    return true;
  });
  await clock.settled(destination.leave());
  await clock.settled(rejected);
});

test("nodes that stop in the middle of a move leave nothing that keeps their process", async () => {
  const { clock, router, source, destination, session } = await moveUnderWay();
  await clock.settled(Promise.all([router, destination, source].map((node) => node.leave())));
  await clock.settled(session.close());
  // What comes at intervals ends with the next one.
  await clock.pass(1000);
  assert.equal(clock.timerCount, 0);
});

test("while ZooKeeper is away no keys are given up: nobody could note who has them", async () => {
  const { cluster, clock, router, source, destination } = await moveUnderWay();
  const nodes = [router, source, destination];
  for (const { sessions } of nodes) cluster.service.disconnect(sessions.current ?? assert.fail());
  // At ten keys a second the copy would have come to its end.
  await clock.pass(60_000);
  for (let key = 0; key < 200; key++) await clock.settled(source.calls.get(`key-${key}`, never));
  for (const { sessions } of nodes) cluster.service.reconnect(sessions.current ?? assert.fail());
  const isOver = () => router.topology.current?.ring?.value.groups.length === 2;
  await clock.until("the keys have moved", isOver, 120_000);
});
