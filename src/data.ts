import { runDataNode } from "./server/data-program.ts";
import { dataProgram } from "./settings/programs.ts";
import { readSettings } from "./settings/read-settings.ts";
import { runMain } from "./settings/run-main.ts";

await runMain("data", (input) => runDataNode(readSettings(dataProgram, input)));
