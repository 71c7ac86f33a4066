import { systemClock } from "./common/clock.ts";
import { openCoordination } from "./coordination/open.ts";
import { startDataServer } from "./server/data-server.ts";
import { logger, runServers } from "./server/run-servers.ts";
import { announcedAddress } from "./settings/announced.ts";
import { dataProgram, rbfileFor, replicationOf } from "./settings/programs.ts";
import { readSettings } from "./settings/read-settings.ts";
import { runMain } from "./settings/run-main.ts";

await runMain("data", async (input) => {
  const settings = readSettings(dataProgram, input);
  await runServers(async (servers) => {
    servers.push(
      await startDataServer({
        group: settings.name,
        dbfile: settings.dbfile,
        rbfile: settings.rbfile ?? rbfileFor(settings.dbfile),
        host: settings.serverip,
        port: settings.serverport,
        announce: announcedAddress(settings),
        openSession: openCoordination(settings),
        access: settings.zooauth === undefined ? "open" : "creator-writes",
        clock: systemClock,
        valueBytesMax: settings.maxvaluebytes,
        replication: replicationOf(settings),
        historyBytes: settings.historybytes,
        agent: settings.agent === "on",
        log: logger(),
      }),
    );
  });
  return 0;
});
