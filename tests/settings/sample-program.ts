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
        words: ["well", "seven", "setting", "exit", "error", "open", "output", "throw", "reject", "nothing"],
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
  if (end === "throw") setTimeout(() => broken("thrown"), 1);
  if (end === "reject") setTimeout(async () => broken("rejected"), 1);
  if (end === "nothing") setTimeout(() => void Promise.reject(), 1);
  // What lives on after an error that nothing has caught.
  if (["throw", "reject", "nothing"].includes(end)) await new Promise(() => setInterval(() => {}, 1000));
  if (end === "output") for (let i = 0; i < 30; i++) await print("x".repeat(100_000));
  return 0;
});

function broken(how: string): never {
  throw new TypeError(`it is ${how}`);
}
