import { systemClock } from "./common/clock.ts";
import { openCoordination } from "./coordination/open.ts";
import { startRouterServer } from "./server/router-server.ts";
import { logger, runServers } from "./server/run-servers.ts";
import { announcedAddress } from "./settings/announced.ts";
import { routerProgram } from "./settings/programs.ts";
import { readSettings } from "./settings/read-settings.ts";
import { runMain } from "./settings/run-main.ts";

await runMain("router", async (input) => {
  const settings = readSettings(routerProgram, input);
  await runServers(async (servers) => {
    servers.push(
      await startRouterServer({
        host: settings.serverip,
        port: settings.serverport,
        announce: announcedAddress(settings),
        openSession: openCoordination(settings),
        access: settings.zooauth === undefined ? "open" : "creator-writes",
        clock: systemClock,
        valueBytesMax: settings.maxvaluebytes,
        virtualNodes: settings.virtualnodes,
        newGroups: settings.newgroups,
        agent: settings.agent === "on",
        log: logger(),
      }),
    );
  });
  return 0;
});
