import { test } from "node:test";
import { requested } from "../../../src/cluster/ring/ring-change.ts";
import type { LogStore } from "../../../src/cluster/storage/log-store.ts";
import { type Clock, sleep } from "../../../src/common/clock.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";
import { withOpenScan } from "../../support/with-open-scan.ts";

const never = new AbortController().signal;

/** As with millions of keys: it takes long to go through all of them. */
function slowToGoThrough(store: LogStore, clock: Clock): LogStore {
  const openScan: LogStore["openScan"] = (range) => {
    const reader = store.openScan(range);
    const close = reader.close.bind(reader);
    reader.close = async () => {
      await sleep(clock, 20_000, never);
      await close();
    };
    return reader;
  };
  return withOpenScan(store, openScan);
}

test("keys move also to a group with so many keys that it takes long to look for what an earlier attempt has left", async () => {
  const cluster = await NodeCluster.start();
  const { clock } = cluster;
  const router = await cluster.router("r:1");
  const first = await cluster.data("zdata1", "zdata1:1");
  const store = slowToGoThrough(await openOn(new SimulatedDisk(), { clock }), clock);
  const second = await cluster.data("zdata2", "zdata2:1", store);
  await cluster.sees(first, "both are in the ring", ({ ring }) => ring?.value.groups.length === 2);
  await cluster.put(first, "key-31", "1");
  await cluster.put(second, "key-0", "1");

  await cluster.changeRing((ring) => requested(ring, { kind: "drain", group: "zdata1" }));
  const isOver = () => router.topology.current?.ring?.value.groups.length === 1;
  await clock.until("the change is over", isOver, 600_000);
  await cluster.sees(second, "it, too", ({ ring }) => ring?.value.groups.length === 1);
  await clock.settled(second.calls.get("key-31", never));
});
