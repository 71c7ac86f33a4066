import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import type { Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports, type Transports } from "../../src/client/transport/http2.ts";
import { defaultReplicationSettings } from "../../src/cluster/replication/settings.ts";
import { systemClock } from "../../src/common/clock.ts";
import { defaultValueBytesMax } from "../../src/common/key-limits.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { startDataServer } from "../../src/server/data-server.ts";
import { startRouterServer } from "../../src/server/router-server.ts";
import type { Server } from "../../src/server/server.ts";
import { isWhole } from "./process-cluster.ts";

/** Three routers and two groups of two nodes in this process, on free ports, without ZooKeeper. */
export interface EmbeddedCluster {
  readonly routers: readonly Server[];
  readonly nodes: readonly Server[];
  readonly transports: Transports;
  /** What the servers have told their operators. */
  readonly log: readonly string[];
  /** Starts one more data node. */
  add(group: string): Promise<Server>;
  close(): Promise<void>;
}

export async function startEmbeddedCluster(
  settings: { valueBytesMax?: number; virtualNodes?: number } = {},
): Promise<EmbeddedCluster> {
  const folder = await mkdtemp(join(tmpdir(), "kvlab-embedded-"));
  const coordination = await EmbeddedCoordination.start({ clock: systemClock });
  const transports = createTransports();
  const log: string[] = [];
  const common = {
    host: "127.0.0.1",
    port: 0,
    openSession: coordination.opener(),
    access: "open",
    clock: systemClock,
    valueBytesMax: settings.valueBytesMax ?? defaultValueBytesMax,
    log: (message: string) => log.push(message),
  } as const;
  let files = 0;
  const startNode = (group: string) => {
    const index = files++;
    return startDataServer({
      ...common,
      group,
      dbfile: join(folder, `db${index}.txt`),
      rbfile: join(folder, `rb${index}.txt`),
      replication: defaultReplicationSettings,
      historyBytes: 64 * 1024 * 1024,
    });
  };
  const nodes = await Promise.all(["zdata1", "zdata1", "zdata2", "zdata2"].map(startNode));
  const virtualNodes = settings.virtualNodes ?? 128;
  const routers = await Promise.all([0, 1, 2].map(() => startRouterServer({ ...common, virtualNodes })));
  await Promise.all(routers.map(({ address }) => untilWhole(transports, address)));
  return {
    routers,
    nodes,
    transports,
    log,
    async add(group) {
      const node = await startNode(group);
      nodes.push(node);
      return node;
    },
    async close() {
      transports.close();
      await Promise.all([...routers, ...nodes].map((server) => server.stop()));
      await coordination.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilWhole(transports: Transports, address: string): Promise<Topology> {
  const router = createClient(RouterService, transports.transportTo(address));
  for await (const { topology } of router.watchTopology({}, { signal: AbortSignal.timeout(30_000) })) {
    if (topology !== undefined && isWhole(topology)) return topology;
  }
  throw new Error("the topology is told no more");
}
