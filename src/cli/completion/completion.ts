import { print } from "../../settings/run-main.ts";
import type { Program } from "../../settings/setting.ts";
import { choice, type SettingsTable } from "../../settings/setting.ts";
import { type Command, command } from "../command.ts";
import { firstSentence } from "../summary.ts";
import { bashCompletion } from "./bash.ts";
import type { Completed, Completions } from "./completed.ts";
import { fishCompletion } from "./fish.ts";
import { zshCompletion } from "./zsh.ts";

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** `commands`: those to complete. */
export function completionCommand(commands: () => readonly Command[]): Command {
  return command(
    {
      command: "kvlab completion",
      summary: "Prints a script that makes a shell complete commands, flags and files.",
      settings: {
        shell: choice<keyof typeof scripts>({
          meaning: "The shell: bash, zsh or fish.",
          placeholder: "SHELL",
          source: "operand",
          words: ["bash", "zsh", "fish"],
        }),
      },
      examples: [
        "source <(kvlab completion bash)",
        'kvlab completion zsh > "$' + '{fpath[1]}/_kvlab"',
        "kvlab completion fish > ~/.config/fish/completions/kvlab.fish",
      ],
    },
    async ({ shell }) => {
      const overviews = { words: ["help"], meaning: "Says all about a command.", flags: [], operands: [] };
      await print(scripts[shell]([...commands().map(completedOf), overviews]));
      return 0;
    },
  );
}

function completedOf({ words, program }: Command): Completed {
  const settings = Object.entries(program.settings);
  const flags = settings
    .filter(([, { source }]) => source !== "operand")
    .map(([name, { meaning, placeholder, completes = [] }]) => {
      return { name, meaning: firstSentence(meaning), placeholder, values: completes };
    });
  const help = { name: "help", meaning: "Says all about it.", placeholder: undefined, values: [] };
  return {
    words,
    meaning: firstSentence(program.summary),
    flags: [...flags, help],
    operands: operandsOf(program),
  };
}

/** Of all operands together, because no command has operands of two kinds. */
function operandsOf({ settings }: Program<SettingsTable>): Completions {
  const known = Object.values(settings).flatMap(({ source, completes }) =>
    source === "operand" && completes !== undefined ? [completes] : [],
  );
  return known.includes("files") ? "files" : known.flat();
}
