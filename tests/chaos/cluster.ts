import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole, type Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports, type Transports } from "../../src/client/transport/http2.ts";
import { freePorts } from "../support/free-ports.ts";
import { ServerProcess } from "../support/server-process.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { startZooKeeper, type ZooKeeper } from "../support/zookeeper.ts";

/** A router or a data node, and the links around it. */
export interface ChaosServer {
  readonly process: ServerProcess;
  /** Undefined: a router. */
  readonly group: string | undefined;
  /** The file of its log; a router has none. */
  readonly log: string;
  /** In front of it. It is announced, so that all other servers come through it. */
  readonly front: TcpProxy;
  /** Its ways to ZooKeeper, one for each member. */
  readonly zookeeperLinks: readonly TcpProxy[];
}

/** Processes on a real ensemble, with a proxy on every link between them. */
export interface ChaosCluster {
  /** Holds the servers' logs and data. */
  readonly folder: string;
  readonly zookeeper: ZooKeeper;
  readonly servers: readonly ChaosServer[];
  readonly transports: Transports;
  /** The topology, as some router that answers knows it; undefined when none does. */
  topology(): Promise<Topology | undefined>;
  /** Ends every fault: nothing is paused or cut, everything runs. */
  heal(): Promise<void>;
  /** Ends everything, and removes its files unless they are to be kept. */
  close(keepFiles: boolean): Promise<void>;
}

/** Enters the ring and leaves it. */
export const enteringGroup = "third";
/** Data nodes of each group. */
const groups = { left: 3, right: 2, [enteringGroup]: 1 } as const;
const routerCount = 2;
/** Short, so that faults outlast it. */
const sessionTimeoutMs = 2000;

export async function startChaosCluster(): Promise<ChaosCluster> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-chaos-"));
  const zookeeper = await startZooKeeper({ members: 3 });
  const transports = createTransports({ connectTimeoutMs: 500 });
  const places = [
    ...Object.entries(groups).flatMap(([group, count]) => Array.from({ length: count }, () => group)),
    ...Array.from({ length: routerCount }, () => undefined),
  ];
  const ports = await freePorts(places.length);
  const servers = await Promise.all(
    places.map((group, index) => layOut({ folder, zookeeper }, { group, index, port: ports[index] ?? 0 })),
  );
  const routers = servers.filter(({ group }) => group === undefined);
  return {
    folder,
    zookeeper,
    servers,
    transports,
    async topology() {
      const asked = routers.map(async ({ process }) => {
        const router = createClient(RouterService, transports.transportTo(process.address));
        const { topology } = await router.getTopology({}, { timeoutMs: 500 });
        return topology ?? Promise.reject(new Error("it has none"));
      });
      return await Promise.any(asked).catch(() => undefined);
    },
    async heal() {
      for (const { process, front, zookeeperLinks } of servers) {
        for (const link of [front, ...zookeeperLinks]) link.setMode("pass");
        if (process.isRunning) process.signal("SIGCONT");
        else process.launch();
      }
      await zookeeper.restore();
    },
    async close(keepFiles) {
      await Promise.all(servers.map(({ process }) => process.kill()));
      transports.close();
      await Promise.all(
        servers
          .flatMap(({ front, zookeeperLinks }) => [front, ...zookeeperLinks])
          .map((link) => link.close()),
      );
      if (keepFiles) await cp(zookeeper.folder, join(folder, "zookeeper"), { recursive: true });
      await zookeeper.close();
      if (!keepFiles) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Gives a server its files and its links. Without a group it is a router. */
async function layOut(
  { folder, zookeeper }: { folder: string; zookeeper: ZooKeeper },
  { group, index, port }: { group: string | undefined; index: number; port: number },
): Promise<ChaosServer> {
  const name = group === undefined ? `router-${index}` : `${group}-${index}`;
  const [front, ...zookeeperLinks] = await Promise.all([
    startTcpProxy(`127.0.0.1:${port}`),
    ...zookeeper.members.map(({ address }) => startTcpProxy(address)),
  ]);
  const common = {
    zooaddr: zookeeperLinks.map(({ address }) => address).join(","),
    sessiontimeoutms: `${sessionTimeoutMs}`,
    announce: front.address,
  };
  const log = join(folder, `${name}.db`);
  const env =
    group === undefined
      ? { ...common, virtualnodes: "16" }
      : { ...common, name: group, dbfile: log, rbfile: join(folder, `${name}.rb`) };
  const entry = group === undefined ? "router" : "data";
  const process = new ServerProcess(name, entry, port, env);
  process.logFile = join(folder, `${name}.log`);
  return { process, group, log, front, zookeeperLinks };
}

/** Whether all servers are there, and every node is in sync. */
export function isComplete({ routers, groups: views }: Topology): boolean {
  return (
    routers.length === routerCount &&
    Object.entries(groups).every(([name, count]) => {
      const nodes = views.find((view) => view.name === name)?.nodes ?? [];
      return (
        nodes.length === count &&
        nodes.every(({ inSync }) => inSync) &&
        nodes.some(({ role }) => role === NodeRole.PRIMARY)
      );
    })
  );
}
