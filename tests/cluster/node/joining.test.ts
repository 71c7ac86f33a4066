import assert from "node:assert/strict";
import { test } from "node:test";
import { formatGroupState, parseGroupState } from "../../../src/cluster/metadata/codec.ts";
import { groupStatePath } from "../../../src/cluster/metadata/paths.ts";
import { openOn } from "../../support/log-fixtures.ts";
import { NodeCluster } from "../../support/node-cluster.ts";
import { SimulatedDisk } from "../../support/simulated-disk.ts";

const never = new AbortController().signal;

test("a node whose earlier life is put in sync rejoins, and its group is served again", async () => {
  const cluster = await NodeCluster.start();
  await cluster.router("127.0.0.1:1926");
  const node = await cluster.data("g", "127.0.0.1:2000");
  await cluster.put(node, "a", "1");
  // As by a router that recovers the group, and does not know yet that the node has registered again.
  const session = await cluster.session();
  const path = groupStatePath("g");
  const { data, stat } = await cluster.clock.settled(session.get(path));
  const { epoch } = parseGroupState(path, data);
  const earlier = { number: 1, incarnation: "1" };
  const named = { epoch: epoch + 1, primary: earlier, inSync: [earlier] };
  await cluster.clock.settled(session.set(path, formatGroupState(named), stat.version));
  await cluster.sees(node, "the node is primary in its present life", ({ groups }) => {
    const state = groups.get("g")?.state?.value;
    return state?.epoch === epoch + 2 && state.primary?.incarnation !== earlier.incarnation;
  });
  assert.ok((await cluster.put(node, "a", "2")) > 0);
  assert.deepEqual(
    cluster.log.filter((message) => message.startsWith("failed")),
    [],
  );
});

test("a node whose earlier life is put in sync while it waits for its disk rejoins when that works again", async () => {
  const cluster = await NodeCluster.start();
  await cluster.router("127.0.0.1:1926");
  const first = await cluster.data("g", "127.0.0.1:2000");
  await cluster.put(first, "a", "1");
  const disk = new SimulatedDisk();
  const node = await cluster.data("g", "127.0.0.1:2001", await openOn(disk, { clock: cluster.clock }));
  const inSyncAre = (count: number) =>
    cluster.sees(first, `${count} are in sync`, ({ groups }) => {
      return groups.get("g")?.state?.value.inSync.length === count;
    });
  const { groups } = await inSyncAre(2);
  const earlier = groups.get("g")?.state?.value.inSync.find(({ number }) => number === 2) ?? assert.fail();

  const hangs = Promise.withResolvers<void>();
  disk.intercept = ({ kind }) => (kind === "datasync" ? hangs.promise : undefined);
  const write = first.calls.put({ key: "a", value: new Uint8Array(), text: false }, never);
  await inSyncAre(1);
  await cluster.clock.settled(write);
  cluster.service.expire(node.sessions.current ?? assert.fail());
  await cluster.sees(node, "it is registered again", ({ groups }) => {
    const present = groups.get("g")?.nodes.find(({ number }) => number === 2);
    return present !== undefined && present.incarnation !== earlier.incarnation;
  });
  await cluster.clock.settled(first.leave());
  // As by the primary before it left: it did not know yet that the node had registered again.
  const session = await cluster.session();
  const path = groupStatePath("g");
  const { data, stat } = await cluster.clock.settled(session.get(path));
  const state = parseGroupState(path, data);
  const inSync = [...state.inSync, earlier];
  await cluster.clock.settled(session.set(path, formatGroupState({ ...state, inSync }), stat.version));
  await cluster.clock.pass(10_000);

  hangs.resolve();
  assert.ok((await cluster.put(node, "a", "2")) > 0);
});

test("a node that cannot join says once why, and joins when the znode is corrected", async () => {
  const cluster = await NodeCluster.start();
  const session = await cluster.session();
  for (const path of ["/data", "/data/g", "/data/g/logs"]) {
    await cluster.clock.settled(session.create(path, new Uint8Array(1), "persistent"));
  }
  const store = await openOn(new SimulatedDisk(), { clock: cluster.clock });
  const { joined } = cluster.start("g", "127.0.0.1:2000", store);
  await cluster.clock.pass(60_000);
  assert.equal(cluster.log.filter((line) => line.includes("/data/g/logs holds")).length, 1);
  await cluster.clock.settled(session.delete("/data/g/logs", 0));
  await cluster.clock.settled(joined);
});
