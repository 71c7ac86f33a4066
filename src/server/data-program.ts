import { systemClock } from "../common/clock.ts";
import { openCoordination } from "../coordination/open.ts";
import { announcedAddress } from "../settings/announced.ts";
import { type dataProgram, rbfileFor, replicationOf } from "../settings/programs.ts";
import type { SettingsOf } from "../settings/setting.ts";
import { type DataServerOptions, startDataServer } from "./data-server.ts";
import { logger, runServers } from "./run-servers.ts";

export type DataSettings = SettingsOf<typeof dataProgram.settings>;

/** The program of a data node: runs until it is told to stop, and resolves to the exit code. */
export async function runDataNode(settings: DataSettings): Promise<number> {
  await runServers(async (servers) => {
    const announce = announcedAddress(settings);
    servers.push(await startDataServer({ ...dataOptions(settings), announce, log: logger() }));
  });
  return 0;
}

/** What the settings say of a data node, but for where others reach it. */
export function dataOptions(settings: DataSettings): Omit<DataServerOptions, "announce" | "log"> {
  return {
    group: settings.name,
    dbfile: settings.dbfile,
    rbfile: settings.rbfile ?? rbfileFor(settings.dbfile),
    host: settings.serverip,
    port: settings.serverport,
    openSession: openCoordination(settings),
    access: settings.zooauth === undefined ? "open" : "creator-writes",
    clock: systemClock,
    valueBytesMax: settings.maxvaluebytes,
    replication: replicationOf(settings),
    historyBytes: settings.historybytes,
    agent: settings.agent === "on",
  };
}
