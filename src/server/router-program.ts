import { systemClock } from "../common/clock.ts";
import { openCoordination } from "../coordination/open.ts";
import { announcedAddress } from "../settings/announced.ts";
import type { routerProgram } from "../settings/programs.ts";
import type { SettingsOf } from "../settings/setting.ts";
import { type RouterServerOptions, startRouterServer } from "./router-server.ts";
import { logger, runServers } from "./run-servers.ts";

export type RouterSettings = SettingsOf<typeof routerProgram.settings>;

/** The program of a router: runs until it is told to stop, and resolves to the exit code. */
export async function runRouter(settings: RouterSettings): Promise<number> {
  await runServers(async (servers) => {
    const announce = announcedAddress(settings);
    servers.push(await startRouterServer({ ...routerOptions(settings), announce, log: logger() }));
  });
  return 0;
}

/** What the settings say of a router, but for where others reach it. */
export function routerOptions(settings: RouterSettings): Omit<RouterServerOptions, "announce" | "log"> {
  return {
    host: settings.serverip,
    port: settings.serverport,
    openSession: openCoordination(settings),
    access: settings.zooauth === undefined ? "open" : "creator-writes",
    clock: systemClock,
    valueBytesMax: settings.maxvaluebytes,
    virtualNodes: settings.virtualnodes,
    newGroups: settings.newgroups,
    agent: settings.agent === "on",
  };
}
