import { print } from "../../settings/run-main.ts";
import { toggle } from "../../settings/setting.ts";
import { readAgents } from "../agent-report.ts";
import { describeAgents } from "../agents/describe.ts";
import { followAgents } from "../agents/follow.ts";
import { routerCommand } from "../command.ts";
import { jsonSetting } from "../router-settings.ts";

export const agentsCommand = routerCommand(
  {
    command: "kvlab agents",
    summary:
      "Shows the agents: routers, data nodes and others that report the load of their machine. Of a container with limits, what counts is what these allow.",
    settings: {
      watch: toggle(
        "Show it again and again until Ctrl-C, on a terminal with those that have gone since, and otherwise a line for each that comes or goes.",
      ),
      json: jsonSetting,
    },
    examples: ["kvlab agents", "kvlab agents --json | jq '.agents[].memoryUsage'", "kvlab agents --watch"],
  },
  async ({ watch, json }, session) => {
    if (watch) return await followAgents(session, json);
    const report = await readAgents(session.ask);
    await print(json ? `${JSON.stringify(report)}\n` : describeAgents(report, Date.now()));
    return 0;
  },
);
