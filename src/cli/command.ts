import { type Program, readSettings, type SettingsInput } from "../settings/read-settings.ts";
import type { SettingsOf, SettingsTable } from "../settings/setting.ts";

/** One command of `kvlab`. */
export interface Command {
  /** What calls it, after `kvlab`. */
  readonly words: readonly string[];
  /** Its operands, for the overview. */
  readonly usage: string;
  readonly summary: string;
  /** Runs it with the rest of the command line; resolves to the exit code. */
  run(input: SettingsInput): Promise<number>;
}

/** Makes a command of a program (named `kvlab …`) and what it does with its settings. */
export function command<Table extends SettingsTable>(
  program: Program<Table>,
  run: (settings: SettingsOf<Table>) => Promise<number>,
): Command {
  const operands = Object.values(program.settings).filter(({ source }) => source === "operand");
  return {
    words: program.command.split(" ").slice(1),
    usage: operands.map(({ placeholder }) => ` ${placeholder}`).join(""),
    summary: program.summary,
    run: (input) => run(readSettings(program, input)),
  };
}
