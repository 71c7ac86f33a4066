import { readSettings, type SettingsInput } from "../settings/read-settings.ts";
import type { Program, SettingsOf, SettingsTable } from "../settings/setting.ts";
import { callSettings, type ReachSettings, routerSettings } from "./router-settings.ts";
import { openSession, type Session } from "./session.ts";

/** One command of `kvlab`. */
export interface Command {
  /** What calls it, after `kvlab`. */
  readonly words: readonly string[];
  /** Its operands, for the overview. */
  readonly usage: string;
  /** Everything that it can be given. */
  readonly program: Program<SettingsTable>;
  /** Runs it with the rest of the command line; resolves to the exit code. */
  run(input: SettingsInput): Promise<number>;
}

/** One that asks a cluster. */
export interface ClusterCommand extends Command {
  /** Runs it on a cluster that is connected already, so without the settings that say where it is. */
  runIn(session: Session, args: readonly string[]): Promise<number>;
}

/** Makes a command of a program (named `kvlab …`) and what it does with its settings. */
export function command<Table extends SettingsTable>(
  program: Program<Table>,
  run: (settings: SettingsOf<Table>) => Promise<number>,
): Command {
  const operands = Object.values(program.settings).filter(({ source }) => source === "operand");
  const usage = operands.map(({ placeholder, fallback }) =>
    fallback ? ` [${placeholder}]` : ` ${placeholder}`,
  );
  return {
    words: program.command.split(" ").slice(1),
    usage: usage.join(""),
    program,
    run: (input) => run(readSettings(program, input)),
  };
}

/** Makes a command that reads and writes keys. It is given the settings that say where the cluster is, too. */
export function keyCommand<Table extends SettingsTable>(
  program: Program<Table>,
  run: (settings: SettingsOf<Table>, session: Session) => Promise<number>,
): ClusterCommand {
  return clusterCommand(program, run, callSettings);
}

/** Makes a command that asks the routers. It is given the settings that say where they are, too. */
export function routerCommand<Table extends SettingsTable>(
  program: Program<Table>,
  run: (settings: SettingsOf<Table>, session: Session) => Promise<number>,
): ClusterCommand {
  return clusterCommand(program, run, routerSettings);
}

function clusterCommand<Table extends SettingsTable>(
  program: Program<Table>,
  run: (settings: SettingsOf<Table>, session: Session) => Promise<number>,
  reach: SettingsTable,
): ClusterCommand {
  const whole: Program<SettingsTable> = { ...program, settings: { ...program.settings, ...reach } };
  return {
    ...command(whole, async (settings) => {
      // The compiler cannot see into a table that it does not know.
      const known = settings as SettingsOf<Table> & ReachSettings;
      await using session = openSession(known);
      return await run(known, session);
    }),
    runIn: (session, args) => run(readSettings(program, { args, env: {} }), session),
  };
}
