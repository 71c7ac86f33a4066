import { runDevCluster } from "./server/dev-program.ts";
import { devProgram } from "./settings/programs.ts";
import { readSettings } from "./settings/read-settings.ts";
import { runMain } from "./settings/run-main.ts";

await runMain("kvlab", (input) => runDevCluster(readSettings(devProgram, input)));
