import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { freePorts } from "./free-ports.ts";
import { ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";
import { startZooKeeper } from "./zookeeper.ts";

export interface NodeClient {
  readonly router: Client<typeof RouterService>;
  readonly data: Client<typeof DataService>;
}

/** The original's set-up in processes of their own, on a real ZooKeeper: three routers, two groups of two nodes. */
export interface ProcessCluster {
  readonly zookeeper: Awaited<ReturnType<typeof startZooKeeper>>;
  readonly routers: readonly ServerProcess[];
  /** By group. */
  readonly groups: ReadonlyMap<string, readonly ServerProcess[]>;
  readonly nodes: readonly ServerProcess[];
  /** One more data node, which has still to be started. */
  dataNode(group: string): Promise<ServerProcess>;
  /** Calls to one server. */
  clientOf(server: ServerProcess): NodeClient;
  /** Starts all servers, in the given order or the usual one, and waits until every group serves. */
  startAll(order?: readonly ServerProcess[]): Promise<void>;
  /** Waits until the topology, as this server shows it, is as wanted. */
  topologyOf(
    server: ServerProcess,
    what: string,
    wanted: (topology: Topology) => boolean,
    timeoutMs?: number,
  ): Promise<Topology>;
  /** The server that is primary of a group now, as this router, or the first that runs, knows it. */
  primaryOf(group: string, router?: ServerProcess): Promise<ServerProcess>;
  /** Ends everything and removes its files. */
  close(): Promise<void>;
}

/** Ephemeral znodes of a killed process go after this time: soon, so that tests need not wait for long. */
const sessionTimeoutMs = 2000;

export interface ProcessClusterSettings {
  /** Settings of all servers. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of ZooKeeper. */
  readonly members?: 1 | 3;
  /** Another program in the place of the data nodes' own. */
  readonly data?: URL;
}

export async function makeProcessCluster(settings: ProcessClusterSettings = {}): Promise<ProcessCluster> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-cluster-"));
  const zookeeper = await startZooKeeper({ members: settings.members ?? 1 });
  const transports = createTransports({ connectTimeoutMs: 1000 });
  const ports = await freePorts(7);
  const common = {
    zooaddr: zookeeper.connectString,
    sessiontimeoutms: String(sessionTimeoutMs),
    ...settings.env,
  };
  const routers = ports
    .slice(0, 3)
    .map((port, index) => new ServerProcess(`router ${index}`, "router", port, common));
  const nodes: ServerProcess[] = [];
  const groups = new Map<string, ServerProcess[]>();
  const layOut = (name: string, port: number) => {
    const index = nodes.length;
    const files = { dbfile: join(folder, `db${index}.txt`), rbfile: join(folder, `rb${index}.txt`) };
    const env = { ...common, name, ...files };
    const node = new ServerProcess(`data ${index} (${name})`, settings.data ?? "data", port, env);
    nodes.push(node);
    groups.set(name, [...(groups.get(name) ?? []), node]);
    return node;
  };
  for (const [index, port] of ports.slice(3).entries()) layOut(index < 2 ? "zdata1" : "zdata2", port);

  const cluster: ProcessCluster = {
    zookeeper,
    routers,
    groups,
    nodes,
    async dataNode(group) {
      const [port = 0] = await freePorts(1);
      return layOut(group, port);
    },
    clientOf({ address }) {
      const transport = transports.transportTo(address);
      return { router: createClient(RouterService, transport), data: createClient(DataService, transport) };
    },
    async startAll(order = [...nodes, ...routers]) {
      for (const server of order) server.launch();
      await Promise.all(order.map((server) => server.says("registered as")));
      for (const router of routers)
        await cluster.topologyOf(router, "both groups serve in the ring", isWhole);
    },
    topologyOf(server, what, wanted, timeoutMs = 30_000) {
      return until(`${server.name} sees that ${what}`, timeoutMs, async () => {
        const { topology } = await cluster.clientOf(server).router.getTopology({});
        return topology !== undefined && wanted(topology) && topology;
      });
    },
    async primaryOf(group, router = routers.find((candidate) => candidate.isRunning)) {
      if (router === undefined) throw new Error("no router runs");
      const topology = await cluster.topologyOf(router, `group ${group} has a primary`, (given) =>
        given.groups.some(({ name, nodes: list }) => name === group && list.some(isPrimary)),
      );
      const address = topology.groups.find(({ name }) => name === group)?.nodes.find(isPrimary)?.address;
      const found = nodes.find((node) => node.address === address);
      if (found === undefined) throw new Error(`no process of ours listens on ${address}`);
      return found;
    },
    async close() {
      await Promise.all([...routers, ...nodes].map((server) => server.kill()));
      transports.close();
      await zookeeper.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return cluster;
}

function isPrimary({ role }: { role: NodeRole }): boolean {
  return role === NodeRole.PRIMARY;
}

/** Both groups have two in-sync nodes and a primary, and are in the ring. */
export function isWhole({ groups, routers }: Topology): boolean {
  return (
    routers.length === 3 &&
    groups.length === 2 &&
    groups.every(
      ({ nodes, share }) =>
        share > 0 && nodes.length === 2 && nodes.every(({ inSync }) => inSync) && nodes.some(isPrimary),
    )
  );
}
