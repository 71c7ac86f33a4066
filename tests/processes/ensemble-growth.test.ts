// runtimes: bun
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { ZooKeeper } from "../../src/zookeeper/index.ts";
import { freePorts } from "../support/free-ports.ts";
import { reconfigured } from "../support/reconfigured.ts";
import { ServerProcess } from "../support/server-process.ts";
import { assertKept, writeSteadily, written } from "../support/steady-writes.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

/** So long that no session ends just because the machine is busy. */
const sessionTimeoutMs = 10_000;
const keys = ["a", "b", "c"];

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper({ members: 3, spare: 2 });
const folder = await mkdtemp(join(tmpdir(), "kvlab-ensemble-growth-"));
const transports = createTransports({ connectTimeoutMs: 1000 });
const [routerPort = 0, ...dataPorts] = await freePorts(3);
const common = { zooaddr: zookeeper.connectString, sessiontimeoutms: `${sessionTimeoutMs}` };
const router = new ServerProcess("router", "router", routerPort, common);
const nodes = dataPorts.map((port, index) => {
  const files = { dbfile: join(folder, `${index}.db`), rbfile: join(folder, `${index}.rb`) };
  return new ServerProcess(`data ${index}`, "data", port, { ...common, ...files, name: "zdata1" });
});
const transport = transports.transportTo(router.address);
const routed = createClient(DataService, transport);
after(async () => {
  await Promise.all([router, ...nodes].map((server) => server.kill()));
  transports.close();
  await zookeeper.close();
  await rm(folder, { recursive: true, force: true });
});

test("an ensemble that has grown from three to five under load bears the death of two", {
  timeout: 120_000,
}, async () => {
  await Promise.all([...nodes, router].map((server) => server.start()));
  const writes = writeSteadily(keys, { client: () => routed });
  await written(writes, keys);
  await using operator = await ZooKeeper.connect({ servers: zookeeper.connectString, sessionTimeoutMs });
  await Promise.all(zookeeper.spare.map((member) => member.start()));
  const { data } = await reconfigured(operator, {
    joining: zookeeper.spare.map(({ definition }) => definition),
  });
  assert.equal(
    Buffer.from(data)
      .toString()
      .match(/^server\./gm)?.length,
    5,
  );
  await operator.close();

  const [first, second] = zookeeper.members;
  await Promise.all([first, second].map((member) => member?.kill()));
  await written(writes, keys);
  assert.deepEqual(writes.errors.map(String), []);

  // A failover writes to ZooKeeper, so it needs the majority.
  const { topology } = await createClient(RouterService, transport).getTopology({});
  const primary = topology?.groups[0]?.nodes.find(({ role }) => role === NodeRole.PRIMARY);
  await (nodes.find(({ address }) => address === primary?.address) ?? assert.fail()).kill();
  await written(writes, keys);
  await writes.end();
  await assertKept(routed, writes);
});
