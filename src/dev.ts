import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { systemClock } from "./cluster/clock.ts";
import { EmbeddedCoordination } from "./coordination/embedded/service.ts";
import { startDataServer } from "./rpc/data-server.ts";
import { startRouterServer } from "./rpc/router-server.ts";
import { logger, runServers } from "./rpc/run-servers.ts";
import type { Server } from "./rpc/server.ts";
import { devProgram, replicationOf } from "./settings/programs.ts";
import { readSettings, type SettingsInput } from "./settings/read-settings.ts";
import { ExitError, runMain } from "./settings/run-main.ts";

/** A whole cluster in one process: the original's test set-up, three routers and two groups of two nodes. */
const groups = ["zdata1", "zdata1", "zdata2", "zdata2"];
const routerCount = 3;

await runMain("kvlab", async (input: SettingsInput) => {
  const settings = readSettings(devProgram, input);
  const { serverip: host, dataport, routerport, datadir } = settings;
  await makeFolder(datadir);
  const coordination = await EmbeddedCoordination.start({
    clock: systemClock,
    file: join(datadir, "coordination.jsonl"),
    onTrouble: logger("coordination"),
  });
  const common = {
    host,
    openSession: coordination.opener(),
    access: "open",
    clock: systemClock,
    valueBytesMax: settings.maxvaluebytes,
  } as const;

  const servers: Server[] = [];
  try {
    for (const [index, group] of groups.entries()) {
      const port = dataport + index;
      const folder = join(datadir, String(port));
      await makeFolder(folder);
      const server = await startDataServer({
        ...common,
        group,
        port,
        dbfile: join(folder, "db.txt"),
        rbfile: join(folder, "rollback.txt"),
        replication: replicationOf(settings),
        log: logger(`data ${port}`),
      });
      servers.push(server);
    }
    // The ring is made by the first router: of both groups at once, when both are there.
    await joinedOrFailed(servers);
    for (let port = routerport; port < routerport + routerCount; port++) {
      const log = logger(`router ${port}`);
      servers.push(await startRouterServer({ ...common, port, virtualNodes: settings.virtualnodes, log }));
    }
    await joinedOrFailed(servers);
    process.stdout.write(introduction(servers));
    await runServers(servers);
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()));
    throw error;
  } finally {
    await coordination.close();
  }
  return 0;
});

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

function introduction(servers: readonly Server[]): string {
  const nodes = servers.slice(0, groups.length);
  const routers = servers.slice(groups.length);
  const lines = nodes.map(({ address }, index) => `  data node of ${groups[index]}  http://${address}`);
  const router = routers[0]?.address;
  const call = (name: string, body: string) =>
    `  npx buf curl --http2-prior-knowledge --protocol grpc -d '${body}' http://${router}/kvlab.v1.DataService/${name}`;
  return [
    "",
    "kvlab is running.",
    ...routers.map(({ address }) => `  router               http://${address}`),
    ...lines,
    "Try it from another terminal:",
    call("Put", '{"key":"a","text":"hello"}'),
    call("Get", '{"key":"a"}'),
    "",
  ].join("\n");
}
