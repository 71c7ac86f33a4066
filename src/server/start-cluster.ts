import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole, type Topology } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports } from "../client/transport/http2.ts";
import { defaultReplicationSettings } from "../cluster/replication/settings.ts";
import { checkOptions } from "../common/check-options.ts";
import { systemClock, withTimeout } from "../common/clock.ts";
import { defaultValueBytesMax } from "../common/key-limits.ts";
import { callback, type Kinds, text, wholeNumber } from "../common/option-kinds.ts";
import { openEmbedded, startLocalCluster } from "./local-cluster.ts";
import type { Server } from "./server.ts";
import { type RunningServer, running } from "./start-server.ts";

export interface ClusterOptions {
  /** Number of groups, 1 to 16: `zdata1`, `zdata2` and so on. Default 1. */
  readonly groups?: number;
  /** Number of data nodes of each group, 1 to 5. Default 1. */
  readonly replicas?: number;
  /**
   * Folder for all data; it is made if it is missing. A later cluster with the same folder and as many groups and replicas
   * has the same keys. Default: a temporary folder, which `close` removes.
   */
  readonly folder?: string;
  /** Called with each message for an operator: one line. Default: they are dropped. */
  readonly log?: (message: string) => void;
}

const clusterKinds: Kinds<ClusterOptions> = {
  groups: wholeNumber(1, 16),
  replicas: wholeNumber(1, 5),
  folder: text,
  log: callback,
};

/** Longest time for a start. On one machine it takes a part of a second. */
const startTimeoutMs = 30_000;

/** Bytes of the newest records that compaction keeps, so that interrupted watches can continue. */
const historyBytes = 16 * 1024 * 1024;

/**
 * Starts a whole cluster in this process: data nodes and a router on free ports of 127.0.0.1, without ZooKeeper. Resolves
 * when every group serves, with the router's URL for a `KvClient`. Errors: RangeError (an option is not allowed);
 * LogFileError and those of the file system (the folder cannot be used).
 */
export async function startCluster(options: ClusterOptions = {}): Promise<RunningServer> {
  checkOptions("the cluster", options, clusterKinds);
  const { groups = 1, replicas = 1, log = () => {} } = options;
  const servers: Server[] = [];
  const releases: (() => Promise<void>)[] = [];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    for (const release of releases.reverse()) await release();
  };
  try {
    const folder = await makeFolder(options.folder, releases);
    const openSession = await openEmbedded(folder, log, releases);
    const nodes = await Promise.all(
      Array.from({ length: groups * replicas }, async (_, index) => {
        const path = join(folder, `node${index + 1}`);
        await mkdir(path, { recursive: true });
        const group = `zdata${1 + Math.floor(index / replicas)}`;
        return { group, folder: path, port: 0, log: (message: string) => log(`${group}: ${message}`) };
      }),
    );
    await withTimeout(systemClock, startTimeoutMs, new AbortController().signal, async (signal) => {
      const routers = [{ port: 0, log: (message: string) => log(`router: ${message}`) }];
      const common = { host: "127.0.0.1", openSession, valueBytesMax: defaultValueBytesMax };
      const kept = { replication: defaultReplicationSettings, historyBytes, virtualNodes: 128, agent: false };
      await startLocalCluster({ ...common, ...kept, nodes, routers }, servers);
      await untilServing(servers.at(-1)?.address ?? "", groups, signal);
    });
    return running(servers.at(-1)?.address ?? "", servers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeFolder(given: string | undefined, releases: (() => Promise<void>)[]): Promise<string> {
  if (given !== undefined) {
    await mkdir(given, { recursive: true });
    return given;
  }
  const folder = await mkdtemp(join(tmpdir(), "kvlab-inside-"));
  releases.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Waits until the router at `address` knows of as many groups that take calls. */
async function untilServing(address: string, groups: number, signal: AbortSignal): Promise<void> {
  const transports = createTransports();
  try {
    const router = createClient(RouterService, transports.transportTo(address));
    for await (const { topology } of router.watchTopology({}, { signal })) {
      if (topology !== undefined && servingGroups(topology) === groups) return;
    }
  } finally {
    transports.close();
  }
}

function servingGroups({ groups }: Topology): number {
  const serving = groups.filter(
    ({ share, nodes }) => share > 0 && nodes.some(({ role }) => role === NodeRole.PRIMARY),
  );
  return serving.length;
}
