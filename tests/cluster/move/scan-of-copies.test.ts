import assert from "node:assert/strict";
import { test } from "node:test";
import { paced, requested } from "../../../src/cluster/ring/ring-change.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { withOpenScan } from "../../support/with-open-scan.ts";

const never = new AbortController().signal;

/** A log that counts the keys that are read from it in their order. */
function counted(store: LogStore): { readonly store: LogStore; readonly count: { keys: number } } {
  const count = { keys: 0 };
  const openScan: LogStore["openScan"] = (range) => {
    const reader = store.openScan(range);
    const nextKeys = reader.nextKeys.bind(reader);
    reader.nextKeys = (max) => {
      const keys = nextKeys(max);
      count.keys += keys.length;
      return keys;
    };
    return reader;
  };
  return { store: withOpenScan(store, openScan), count };
}

test("a scan goes through the copies of keys that are still another group's in short turns, so that calls come in between", async () => {
  const cluster = await NodeCluster.start();
  const { clock } = cluster;
  const router = await cluster.router("r:1", { newGroups: "wait" });
  const source = await cluster.data("zdata1", "zdata1:1");
  await cluster.sees(router, "the ring", ({ ring }) => ring !== undefined);
  for (let key = 0; key < 6000; key++) await cluster.put(source, `key-${key}`, "value");
  const { store, count } = counted(await openOn(new SimulatedDisk(), { clock }));
  const destination = await cluster.data("zdata2", "zdata2:1", store);
  await clock.until("it serves", () => destination.status().unavailable === undefined);

  await cluster.changeRing((ring) => requested(ring, { kind: "add", group: "zdata2", rate: 2000 }));
  await clock.until("copies", () => destination.status().keys > 2200);
  await cluster.changeRing((ring) => paced(ring, { paused: true }));
  await clock.pass(5000);

  const scan = await clock.settled(destination.calls.scan({}, never));
  count.keys = 0;
  const reading = scan.nextKeys(10);
  // A turn ends where the clock has to go on.
  for (let i = 0; i < 1000; i++) await Promise.resolve();
  assert.ok(count.keys > 0 && count.keys <= 1010, `${count.keys} keys in one turn`);
  assert.deepEqual(await clock.settled(reading), []);
  assert.ok(count.keys > 2200, `${count.keys} keys`);
});
