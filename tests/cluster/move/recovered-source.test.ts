import assert from "node:assert/strict";
import { test } from "node:test";
import { placementOf } from "../../../src/cluster/ring/placement.ts";
import { requested } from "../../../src/cluster/ring/ring-change.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

const never = new AbortController().signal;

test("keys that a recovered log still has from before they moved do not come back with the next move", async () => {
  const cluster = await NodeCluster.start();
  const { clock } = cluster;
  const router = await cluster.router("r:1", { newGroups: "wait" });
  const first = await cluster.data("zdata1", "zdata1:1");
  await cluster.sees(router, "the ring", ({ ring }) => ring !== undefined);
  await clock.until("it serves", () => first.status().unavailable === undefined);
  const disk = new SimulatedDisk();
  const store = await openOn(disk, { clock });
  const second = await cluster.data("zdata1", "zdata1:2", store);
  const inSync = () => router.topology.current?.groups.get("zdata1")?.state?.value.inSync.length;
  await clock.until("both are in sync", () => inSync() === 2);
  for (let key = 0; key < 50; key++) await cluster.put(first, `key-${key}`, "value");
  await clock.settled(second.leave());
  await clock.settled(store.close());
  await clock.until("the first is alone in sync", () => inSync() === 1);

  // What has moved, and was deleted then, the log of the second knows nothing of.
  const other = await cluster.data("zdata2", "zdata2:1");
  await clock.until("it serves", () => other.status().unavailable === undefined);
  await cluster.changeRing((ring) => requested(ring, { kind: "add", group: "zdata2" }));
  const entered = await cluster.sees(
    router,
    "it is in the ring",
    ({ ring }) => ring?.value.groups.length === 2,
  );
  const placement = placementOf(entered.ring?.value ?? assert.fail());
  const keys = Array.from({ length: 50 }, (_, key) => `key-${key}`);
  const key = keys.find((each) => placement.owner(each) === "zdata2") ?? assert.fail();
  await cluster.sees(other, "it is in the ring", ({ ring }) => ring?.value.groups.length === 2);
  await clock.settled(other.calls.delete(key, never));

  await clock.settled(first.leave());
  const again = await cluster.data("zdata1", "zdata1:2", await openOn(disk, { clock }));
  await clock.settled(router.recover("zdata1", "any", never));
  await clock.until("it serves", () => again.status().unavailable === undefined);
  await cluster.changeRing((ring) => requested(ring, { kind: "drain", group: "zdata2" }));
  await cluster.sees(again, "it is alone", ({ ring }) => ring?.value.groups.length === 1);
  await assert.rejects(clock.settled(again.calls.get(key, never)), { code: "not-found" });
});
