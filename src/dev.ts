import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { lockFile } from "./cluster/storage/disk/lock-file.ts";
import { nodeDisk } from "./cluster/storage/disk/node-disk.ts";
import { systemClock } from "./common/clock.ts";
import { EmbeddedCoordination } from "./coordination/embedded/service.ts";
import { startDataServer } from "./server/data-server.ts";
import { nodeFolders } from "./server/dev-folders.ts";
import { startRouterServer } from "./server/router-server.ts";
import { logger, runServers } from "./server/run-servers.ts";
import type { Server } from "./server/server.ts";
import { announcedAddress } from "./settings/announced.ts";
import { devProgram, rbfileFor, replicationOf } from "./settings/programs.ts";
import { readSettings, type SettingsInput } from "./settings/read-settings.ts";
import { ExitError, runMain } from "./settings/run-main.ts";
import type { SettingsOf } from "./settings/setting.ts";

/** A whole cluster in one process, like the test cluster of the original: three routers, two groups of two nodes. */
const groups = ["zdata1", "zdata1", "zdata2", "zdata2"];
const routerCount = 3;

await runMain("kvlab", async (input: SettingsInput) => {
  const settings = readSettings(devProgram, input);
  const releases: (() => Promise<void>)[] = [];
  try {
    await runServers((servers) => startCluster(settings, servers, releases));
  } finally {
    for (const release of releases.reverse()) await release();
  }
  return 0;
});

/** Adds to `releases` what to run, last first, when the servers have stopped. */
async function startCluster(
  settings: SettingsOf<typeof devProgram.settings>,
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
  const file = join(datadir, "coordination.jsonl");
  const lock = await lockFile(nodeDisk, file);
  releases.push(() => lock.release());
  const coordination = await EmbeddedCoordination.start({
    clock: systemClock,
    file,
    onDiagnostic: logger("coordination"),
  });
  releases.push(() => coordination.close());
  const common = {
    host,
    openSession: coordination.opener(),
    access: "open",
    clock: systemClock,
    valueBytesMax: settings.maxvaluebytes,
    agent: settings.agent === "on",
  } as const;

  const folders = await nodeFolders(datadir, dataport, groups.length);
  const nodes: Server[] = [];
  for (const [index, options] of nodePorts.entries()) {
    const folder = join(datadir, folders[index] ?? "");
    await makeFolder(folder);
    const dbfile = join(folder, "db.txt");
    const log = logger(`data ${options.port}`);
    if (folders[index] !== String(options.port)) log(`its data is in ${folder}, as before`);
    const server = await startDataServer({
      ...common,
      ...options,
      dbfile,
      rbfile: rbfileFor(dbfile),
      replication: replicationOf(settings),
      historyBytes: settings.historybytes,
      log,
    });
    servers.push(server);
    nodes.push(server);
  }
  // The data nodes register first. So the first router creates the ring with both groups at once.
  await joinedOrFailed(nodes);

  const routers: Server[] = [];
  for (const options of routerPorts) {
    const server = await startRouterServer({
      ...common,
      ...options,
      virtualNodes: settings.virtualnodes,
      log: logger(`router ${options.port}`),
    });
    servers.push(server);
    routers.push(server);
  }
  await joinedOrFailed(routers);
  process.stdout.write(introduction(nodePorts, routerPorts));
}

function overlapping(dataport: number, routerport: number): string {
  const ports = (first: number, count: number) => `${first} to ${first + count - 1}`;
  return (
    `dataport ${dataport}: the ports of the data nodes (${ports(dataport, groups.length)}) and those of the routers ` +
    `(routerport, ${ports(routerport, routerCount)}) overlap; allowed is what keeps them apart`
  );
}

async function joinedOrFailed(servers: readonly Server[]): Promise<void> {
  await Promise.race([
    Promise.all(servers.map(({ joined }) => joined)),
    ...servers.map(({ failed }) => failed),
  ]);
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
