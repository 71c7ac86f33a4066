import assert from "node:assert/strict";
import { test } from "node:test";
import { requested } from "../../../src/cluster/ring/ring-change.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

const never = new AbortController().signal;

test("while the disk of a destination is full, the log of the source is compacted as ever", async () => {
  const cluster = await NodeCluster.start();
  const { clock } = cluster;
  await cluster.router("r:1", { newGroups: "wait" });
  const source = await cluster.data("zdata1", "zdata1:1");
  await clock.until("it serves", () => source.status().unavailable === undefined);
  const value = new Uint8Array(1000);
  const put = (index: number) =>
    clock.settled(source.calls.put({ key: `key-${index % 300}`, value, text: false }, never));
  for (let index = 0; index < 300; index++) await put(index);
  const disk = new SimulatedDisk();
  const destination = await cluster.data("zdata2", "zdata2:1", await openOn(disk, { clock }));
  await clock.until("it serves", () => destination.status().unavailable === undefined);

  disk.freeBytes = 20_000;
  await cluster.changeRing((ring) => requested(ring, { kind: "add", group: "zdata2" }));
  for (let second = 0; second < 150; second++) {
    for (let index = 0; index < 20; index++) await put(20 * second + index);
    await clock.pass(1000);
  }
  assert.ok(cluster.log.some((line) => /cannot be moved .* disk .* is full/.test(line)));
  // Logs of up to a megabyte are left as they are.
  const { logBytes } = source.status();
  assert.ok(logBytes < 2_000_000, `the log has ${logBytes} bytes`);
});
