import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { announcedAddress } from "../settings/announced.ts";
import { type devProgram, replicationOf } from "../settings/programs.ts";
import { ExitError } from "../settings/run-main.ts";
import type { SettingsOf } from "../settings/setting.ts";
import { nodeFolders } from "./dev-folders.ts";
import { openEmbedded, startLocalCluster } from "./local-cluster.ts";
import { logger, runServers } from "./run-servers.ts";
import type { Server } from "./server.ts";

/** A whole cluster in one process, like the test cluster of the original: three routers, two groups of two nodes. */
const groups = ["zdata1", "zdata1", "zdata2", "zdata2"];
const routerCount = 3;

type DevSettings = SettingsOf<typeof devProgram.settings>;

/** The program of a cluster in one process: runs until it is told to stop, and resolves to the exit code. */
export async function runDevCluster(settings: DevSettings): Promise<number> {
  const releases: (() => Promise<void>)[] = [];
  try {
    await runServers((servers) => startCluster(settings, servers, releases));
  } finally {
    for (const release of releases.reverse()) await release();
  }
  return 0;
}

/** Adds to `releases` what to run, last first, when the servers have stopped. */
async function startCluster(
  settings: DevSettings,
  servers: Server[],
  releases: (() => Promise<void>)[],
): Promise<void> {
  const { serverip: host, dataport, routerport, datadir } = settings;
  if (dataport < routerport + routerCount && routerport < dataport + groups.length) {
    throw new ExitError(2, overlapping(dataport, routerport));
  }
  /** The options that depend on the port. Nothing starts on a port that is not allowed. */
  const portOptions = (setting: "dataport" | "routerport", index: number) => {
    const port = settings[setting] + index;
    const portLabel = `${setting} ${settings[setting]}${index === 0 ? "" : `, port ${port}`}`;
    return { port, portLabel, announce: announcedAddress({ serverip: host, serverport: port }) };
  };
  const nodePorts = groups.map((group, index) => ({ group, ...portOptions("dataport", index) }));
  const routerPorts = Array.from({ length: routerCount }, (_, index) => portOptions("routerport", index));
  await makeFolder(datadir);
  const openSession = await openEmbedded(datadir, logger("coordination"), releases);
  const folders = await nodeFolders(datadir, dataport, groups.length);
  for (const folder of folders) await makeFolder(join(datadir, folder));
  const nodes = nodePorts.map((options, index) => {
    const name = folders[index] ?? "";
    const log = logger(`data ${options.port}`);
    if (name !== String(options.port)) log(`its data is in ${join(datadir, name)}, as before`);
    return { ...options, folder: join(datadir, name), log };
  });
  const routers = routerPorts.map((options) => ({ ...options, log: logger(`router ${options.port}`) }));
  await startLocalCluster(
    {
      host,
      openSession,
      nodes,
      routers,
      valueBytesMax: settings.maxvaluebytes,
      replication: replicationOf(settings),
      historyBytes: settings.historybytes,
      virtualNodes: settings.virtualnodes,
      agent: settings.agent === "on",
    },
    servers,
  );
  process.stdout.write(introduction(nodePorts, routerPorts));
}

function overlapping(dataport: number, routerport: number): string {
  const ports = (first: number, count: number) => `${first} to ${first + count - 1}`;
  return (
    `dataport ${dataport}: the ports of the data nodes (${ports(dataport, groups.length)}) and those of the routers ` +
    `(routerport, ${ports(routerport, routerCount)}) overlap; allowed is what keeps them apart`
  );
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw new ExitError(2, `datadir: the folder ${path} cannot be made (${(error as Error).message})`);
  }
}

function introduction(
  nodes: readonly { readonly group: string; readonly announce: string }[],
  routers: readonly { readonly announce: string }[],
): string {
  const call = (name: string, body: string) =>
    `  npx -y @bufbuild/buf curl --http2-prior-knowledge --protocol grpc -d '${body}' ` +
    `http://${routers[0]?.announce}/kvlab.v1.DataService/${name}`;
  return [
    "",
    "kvlab is running.",
    ...routers.map(({ announce }) => `  router               http://${announce}`),
    ...nodes.map(({ group, announce }) => `  data node of ${group}  http://${announce}`),
    "Try it from another terminal:",
    call("Put", '{"key":"a","text":"hello"}'),
    call("Get", '{"key":"a"}'),
    "",
  ].join("\n");
}
