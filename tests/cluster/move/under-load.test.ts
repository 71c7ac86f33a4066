import assert from "node:assert/strict";
import { test } from "node:test";
import type { DataNode } from "../../../src/cluster/node/data-node.ts";
import { placementOf } from "../../../src/cluster/ring/placement.ts";
import { requested } from "../../../src/cluster/ring/ring-change.ts";
import { type Clock, sleep } from "../../../src/common/clock.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

const never = new AbortController().signal;

/** Two groups, of which one has a thousand keys with values of this length. `disk`: of that one. */
async function cluster(valueBytes: number, disk = new SimulatedDisk()) {
  const cluster = await NodeCluster.start({ valueBytesMax: valueBytes });
  const { clock } = cluster;
  const router = await cluster.router("r:1");
  const source = await cluster.data("zdata1", "zdata1:1", await openOn(disk, { clock }));
  const destination = await cluster.data("zdata2", "zdata2:1");
  for (const node of [source, destination]) {
    await clock.until("it serves", () => node.status().unavailable === undefined);
    await cluster.sees(node, "both are in the ring", ({ ring }) => ring?.value.groups.length === 2);
  }
  const placement = placementOf(router.topology.current?.ring?.value ?? assert.fail("there is no ring"));
  const keys = Array.from({ length: 8000 }, (_, index) => `key-${index}`)
    .filter((key) => placement.owner(key) === "zdata1")
    .slice(0, 1000);
  const value = new Uint8Array(valueBytes);
  const put = (index: number) =>
    source.calls.put({ key: keys[index % keys.length] ?? "", value, text: false }, never);
  for (const index of keys.keys()) await clock.settled(put(index));

  /** Drains the group while its keys are written at this pace. */
  const drain = async (writesPerSecond: number, rate?: number, stepMs = 25): Promise<void> => {
    const write = async () => {
      for (let ms = 0; ms < stepMs; ms += 1000 / writesPerSecond)
        put(Math.floor(clock.random() * 1000)).catch(() => {});
      await clock.pass(stepMs);
    };
    for (let step = 0; step < 10; step++) await write();
    await cluster.changeRing((ring) => requested(ring, { kind: "drain", group: "zdata1", rate }));
    const startMs = clock.monotonicMs();
    while (router.topology.current?.ring?.value.groups.length !== 1) {
      await write();
      assert.ok(clock.monotonicMs() - startMs < 120_000, cluster.log.slice(-5).join("\n"));
    }
  };
  return { clock, source, log: cluster.log, drain };
}

/** Lets what moves from a node go through a connection that takes so many values a second. */
function slowDown({ peers }: DataNode, valuesPerSecond: number, clock: Clock): void {
  const moveOut = peers.moveOut.bind(peers);
  peers.moveOut = async (request, signal) => {
    const answer = await moveOut(request, signal);
    await sleep(clock, ((answer.chunk?.records.length ?? 0) * 1000) / valuesPerSecond, signal);
    return answer;
  };
}

test("keys with long values move while they are written: no more of them is left for the seal than can be copied then", async () => {
  const { clock, source, log, drain } = await cluster(8000);
  slowDown(source, 80, clock);
  await drain(40);
  assert.deepEqual(
    log.filter((line) => line.includes("cannot be moved")),
    [],
  );
});

test("no compaction removes what was written while keys were copied slowly", async () => {
  const { clock, source, log, drain } = await cluster(1000);
  slowDown(source, 2000, clock);
  await drain(200, 100);
  assert.deepEqual(
    log.filter((line) => line.includes("cannot be moved")),
    [],
  );
});

test("keys move while writes come so fast that at no moment all of them are committed", async () => {
  const disk = new SimulatedDisk();
  const { clock, log, drain } = await cluster(100, disk);
  disk.intercept = ({ kind }) => (kind === "datasync" ? sleep(clock, 10) : undefined);
  await drain(500, undefined, 2);
  assert.deepEqual(
    log.filter((line) => line.includes("cannot be moved")),
    [],
  );
});
