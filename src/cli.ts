#!/usr/bin/env node
import { command } from "./cli/command.ts";
import { kvlab } from "./cli/kvlab.ts";
import { dataProgram, devProgram, routerProgram } from "./settings/programs.ts";
import { runMain } from "./settings/run-main.ts";

// Loaded only when they are called: the servers' code would double the time in which a `kvlab get` starts.
const servers = [
  command(devProgram, async (settings) => (await import("./server/dev-program.ts")).runDevCluster(settings)),
  command(routerProgram, async (settings) =>
    (await import("./server/router-program.ts")).runRouter(settings),
  ),
  command(dataProgram, async (settings) => (await import("./server/data-program.ts")).runDataNode(settings)),
];

await runMain("kvlab", kvlab(servers));
