import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { freePorts } from "./free-ports.ts";
import { ServerProcess } from "./server-process.ts";
import { startZooKeeper, type ZooKeeper } from "./zookeeper.ts";

/** So long that no session ends just because the machine is busy. */
export const sessionTimeoutMs = 10_000;

/** A router and a group of two nodes, each a process, on an ensemble of three that others can join. */
export interface StoreOnEnsemble {
  readonly zookeeper: ZooKeeper;
  /** Calls keys through the router. */
  readonly routed: Client<typeof DataService>;
  /** Starts the processes. */
  start(): Promise<void>;
  /** Kills the primary, as the router names it. */
  killPrimary(): Promise<void>;
  close(): Promise<void>;
}

/** `spare`: how many members can join. */
export async function makeStoreOnEnsemble(spare: number): Promise<StoreOnEnsemble> {
  const zookeeper = await startZooKeeper({ members: 3, spare });
  const folder = await mkdtemp(join(tmpdir(), "kvlab-on-ensemble-"));
  const transports = createTransports({ connectTimeoutMs: 1000 });
  const [routerPort = 0, ...dataPorts] = await freePorts(3);
  const common = { zooaddr: zookeeper.connectString, sessiontimeoutms: `${sessionTimeoutMs}` };
  const router = new ServerProcess("router", "router", routerPort, common);
  const nodes = dataPorts.map((port, index) => {
    const files = { dbfile: join(folder, `${index}.db`), rbfile: join(folder, `${index}.rb`) };
    return new ServerProcess(`data ${index}`, "data", port, { ...common, ...files, name: "zdata1" });
  });
  const transport = transports.transportTo(router.address);
  return {
    zookeeper,
    routed: createClient(DataService, transport),
    async start() {
      await Promise.all([...nodes, router].map((server) => server.start()));
    },
    async killPrimary() {
      const { topology } = await createClient(RouterService, transport).getTopology({});
      const primary = topology?.groups[0]?.nodes.find(({ role }) => role === NodeRole.PRIMARY);
      await (nodes.find(({ address }) => address === primary?.address) ?? assert.fail()).kill();
    },
    async close() {
      await Promise.all([router, ...nodes].map((server) => server.kill()));
      transports.close();
      await zookeeper.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
