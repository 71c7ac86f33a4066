import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../../gen/kvlab/v1/topology_pb.ts";
import manifest from "../../../package.json" with { type: "json" };
import { createTransports } from "../../../src/client/transport/http2.ts";
import { freePorts } from "../../support/free-ports.ts";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { programOf, type Runtime, versionOf } from "../runtimes.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import type { Peer } from "./peer.ts";
import { Server } from "./server.ts";

export interface KvlabSettings {
  readonly runtime: Runtime;
  /** Of each group. All of them must have a write on disk before it is acknowledged. */
  readonly replicas: number;
  /** Default 1. */
  readonly groups?: number;
  readonly name: string;
  /** Is given the first node while it serves alone, before the others start: it can bring keys into its log. */
  readonly alone?: (first: KvlabNode) => Promise<void>;
}

export interface KvlabNode {
  readonly server: Server;
  /** `host:port` */
  readonly address: string;
  readonly dbfile: string;
  readonly rbfile: string;
}

export interface Kvlab extends Peer {
  /** `host:port` of the only router. */
  readonly router: string;
  /** In the order in which they have joined. */
  readonly nodes: readonly KvlabNode[];
  /** Starts one more node, of this group. */
  add(group: string): Promise<KvlabNode>;
}

/** Of a node with many keys, for what it does with all of them: a standby may have gigabytes to catch up with. */
export const patienceMs = 1_800_000;

/** One router and one group or more, with a real ZooKeeper of one server, which no call of clients asks. */
export async function startKvlab({
  runtime,
  replicas,
  groups = 1,
  name,
  alone,
}: KvlabSettings): Promise<Kvlab> {
  const folder = await temporaryFolder("kvlab");
  const zookeeper = await startZooKeeper({ tickTimeMs: 2000 });
  const transports = createTransports();
  const [routerPort = 0, ...ports] = await freePorts(1 + groups * replicas);
  const serverOf = (entry: "router" | "data", port: number, env: Record<string, string> = {}) =>
    new Server({
      name: entry,
      command: programOf(runtime),
      args: [fileURLToPath(new URL(`../../../src/${entry}.ts`, import.meta.url))],
      env: { zooaddr: zookeeper.connectString, serverip: "127.0.0.1", serverport: String(port), ...env },
    });
  const nodeOf = (group: string, port: number): KvlabNode => {
    const files = { dbfile: join(folder, `db${port}.txt`), rbfile: join(folder, `rb${port}.txt`) };
    // A write that fewer have is refused, so that nothing is measured that is not synced by all.
    const server = serverOf("data", port, { name: group, minsync: String(replicas), ...files });
    return { server, address: `127.0.0.1:${port}`, ...files };
  };
  const nodes = ports.map((port, index) => nodeOf(`bench${Math.floor(index / replicas)}`, port));
  const router = { server: serverOf("router", routerPort), address: `127.0.0.1:${routerPort}` };
  const close = async () => {
    await Promise.all([router, ...nodes].map(({ server }) => server.kill()));
    transports.close();
    await zookeeper.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const [first, ...others] = nodes;
    const enter = async ({ server }: { readonly server: Server }) => {
      server.launch();
      await server.says("registered as");
    };
    if (first !== undefined) await enter(first);
    await enter(router);
    if (first !== undefined) await alone?.(first);
    for (const node of others) await enter(node);
    const routers = createClient(RouterService, transports.transportTo(router.address));
    const groupsNow = async () => (await routers.getTopology({})).topology?.groups ?? [];
    const isPrimary = ({ role }: { readonly role: NodeRole }) => role === NodeRole.PRIMARY;
    const whole = async () => {
      await router.server.until(
        "knows of a primary and all replicas in sync",
        async () => {
          const now = await groupsNow();
          const isWhole = ({ nodes: some }: (typeof now)[number]) =>
            some.some(isPrimary) && some.filter(({ inSync }) => inSync).length === replicas;
          return now.length === groups && now.every(isWhole);
        },
        patienceMs,
      );
    };
    await whole();
    return {
      name,
      version: `${manifest.version} on ${versionOf(runtime)}`,
      router: router.address,
      nodes,
      async add(group) {
        const [port = 0] = await freePorts(1);
        const node = nodeOf(group, port);
        nodes.push(node);
        await enter(node);
        return node;
      },
      async members() {
        const now = (await groupsNow()).flatMap((group) => group.nodes);
        const roleOf = (wanted: string) =>
          now.some((node) => isPrimary(node) && node.address === wanted) ? "primary" : "standby";
        return [
          ...nodes
            .map(({ server, address }) => ({ role: roleOf(address), pid: server.pid, address }))
            .sort((a, b) => a.role.localeCompare(b.role)),
          { role: "router", pid: router.server.pid, address: router.address },
        ];
      },
      whole,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
