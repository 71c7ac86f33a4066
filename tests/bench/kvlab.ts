import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { freePorts } from "../support/free-ports.ts";
import { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";
import type { Contestant } from "./contestant.ts";

/** One router and a group of three nodes with default settings, on three ZooKeeper servers with their usual tick. */
export async function startKvlab(): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-bench-"));
  const zookeeper = await startZooKeeper({ members: 3, tickTimeMs: 2000 });
  const transports = createTransports();
  const [routerPort = 0, ...dataPorts] = await freePorts(4);
  const env = { zooaddr: zookeeper.connectString };
  const nodes = dataPorts.map((port, index) => {
    const files = { dbfile: join(folder, `db${index}.txt`), rbfile: join(folder, `rb${index}.txt`) };
    return new ServerProcess(`data ${index}`, "data", port, { ...env, name: "zdata1", ...files });
  });
  const router = new ServerProcess("router", "router", routerPort, env);
  const transport = transports.transportTo(router.address);
  const [routers, data] = [createClient(RouterService, transport), createClient(DataService, transport)];
  const nodesNow = async () => (await routers.getTopology({})).topology?.groups[0]?.nodes ?? [];
  const whole = () =>
    until("all three nodes are in sync", 60_000, async () => {
      const found = await nodesNow();
      return found.filter(({ inSync }) => inSync).length === nodes.length;
    });

  for (const node of nodes) await node.start();
  await router.start();
  await whole();
  return {
    name: "kvlab",
    async put(key, value, timeoutMs) {
      await data.put({ key, value: { case: "text", value } }, { timeoutMs });
    },
    async killLeader() {
      const primary = (await nodesNow()).find(({ role }) => role === NodeRole.PRIMARY);
      const leader = nodes.find(({ address }) => address === primary?.address);
      if (leader === undefined) throw new Error(`no process of ours listens on ${primary?.address}`);
      const killedMs = performance.now();
      await leader.kill();
      return killedMs;
    },
    async restore() {
      for (const node of nodes) if (!node.isRunning) await node.start();
      await whole();
    },
    async close() {
      await Promise.all([router, ...nodes].map((server) => server.kill()));
      transports.close();
      await zookeeper.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
