import { join } from "node:path";
import { lockFile } from "../cluster/storage/disk/lock-file.ts";
import { nodeDisk } from "../cluster/storage/disk/node-disk.ts";
import { systemClock } from "../common/clock.ts";
import type { OpenSession } from "../coordination/coordination.ts";
import { EmbeddedCoordination } from "../coordination/embedded/service.ts";
import { rbfileFor } from "../settings/programs.ts";
import { type DataServerOptions, startDataServer } from "./data-server.ts";
import { type RouterServerOptions, startRouterServer } from "./router-server.ts";
import type { Server, ServerOptions } from "./server.ts";

// A cluster in one process, with the embedded coordination service in place of ZooKeeper.

/** Where one server of the cluster listens, and what it calls that port. */
type Place = Pick<ServerOptions, "port" | "portLabel" | "announce" | "log">;

export interface LocalClusterOptions
  extends Pick<ServerOptions, "host" | "valueBytesMax" | "openSession">,
    Pick<RouterServerOptions, "virtualNodes">,
    Pick<DataServerOptions, "replication"> {
  readonly historyBytes: number;
  readonly agent: boolean;
  /** The data nodes. `folder` is where each keeps its log; it must exist. */
  readonly nodes: readonly (Place & { readonly group: string; readonly folder: string })[];
  readonly routers: readonly Place[];
}

/**
 * Opens the coordination service that keeps its znodes in `folder`, which must exist, for this process alone. `releases`
 * gets what to run, last first, when the servers have stopped. `log` is called with each message of it: one line.
 */
export async function openEmbedded(
  folder: string,
  log: (message: string) => void,
  releases: (() => Promise<void>)[],
): Promise<OpenSession> {
  const file = join(folder, "coordination.jsonl");
  const lock = await lockFile(nodeDisk, file);
  releases.push(() => lock.release());
  const coordination = await EmbeddedCoordination.start({ clock: systemClock, file, onDiagnostic: log });
  releases.push(() => coordination.close());
  return coordination.opener();
}

/**
 * Starts the servers. Resolves when all have joined the cluster. `servers` gets each as it starts, so that all can be
 * stopped when a later one cannot start.
 */
export async function startLocalCluster(options: LocalClusterOptions, servers: Server[]): Promise<void> {
  const { host, openSession, valueBytesMax, agent, replication, historyBytes, virtualNodes } = options;
  const common = { host, openSession, access: "open", clock: systemClock, valueBytesMax, agent } as const;

  for (const { folder, ...place } of options.nodes) {
    const dbfile = join(folder, "db.txt");
    const files = { dbfile, rbfile: rbfileFor(dbfile) };
    servers.push(await startDataServer({ ...common, ...place, ...files, replication, historyBytes }));
  }
  // The data nodes register first. So the first router creates the ring with all groups at once.
  await joinedOrFailed(servers);
  for (const place of options.routers) {
    servers.push(await startRouterServer({ ...common, ...place, virtualNodes }));
  }
  await joinedOrFailed(servers);
}

async function joinedOrFailed(servers: readonly Server[]): Promise<void> {
  await Promise.race([
    Promise.all(servers.map(({ joined }) => joined)),
    ...servers.map(({ failed }) => failed),
  ]);
}
