import { runRouter } from "./server/router-program.ts";
import { routerProgram } from "./settings/programs.ts";
import { readSettings } from "./settings/read-settings.ts";
import { runMain } from "./settings/run-main.ts";

await runMain("router", (input) => runRouter(readSettings(routerProgram, input)));
