import { readFileSync } from "node:fs";
import { readSettings, SettingError } from "../../src/settings/read-settings.ts";
import { ExitError, print, runMain } from "../../src/settings/run-main.ts";
import { choice, withDefault } from "../../src/settings/setting.ts";

/** Ends in the way that it is told. */
const program = {
  command: "sample",
  summary: "Ends in one way or another.",
  settings: {
    end: withDefault(
      choice({
        meaning: "How to end.",
        placeholder: "HOW",
        source: "operand",
        words: ["well", "seven", "setting", "exit", "error", "open", "output"],
      }),
      "well",
    ),
  },
};

await runMain("sample", async (input) => {
  const { end } = readSettings(program, input);
  if (end === "seven") return 7;
  if (end === "setting") throw new SettingError("port is 1926, which is taken; allowed: a free port");
  if (end === "exit") throw new ExitError(3, "nobody\n  answers");
  if (end === "error") readFileSync("/nonexistent/file");
  if (end === "open") setInterval(() => {}, 1000);
  if (end === "output") for (let i = 0; i < 30; i++) await print("x".repeat(100_000));
  return 0;
});
