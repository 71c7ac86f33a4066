import { readSettings, type SettingsInput } from "../settings/read-settings.ts";
import type { Program, SettingsOf, SettingsTable } from "../settings/setting.ts";
import { callSettings, type ReachSettings, routerSettings } from "./router-settings.ts";
import { openSession, type Session } from "./session.ts";

/** One command of `kvlab`. */
export interface Command {
  /** The words that call it, after `kvlab`. */
  readonly words: readonly string[];
  /** Its operands, for the overview. */
  readonly usage: string;
  /** Its settings. */
  readonly program: Program<SettingsTable>;
  /** Runs it with the rest of the command line; resolves to the exit code. */
  run(input: SettingsInput): Promise<number>;
}

/** A command that talks to a cluster. */
export interface ClusterCommand extends Command {
  /** Runs it on a connected cluster, without the settings that say where the cluster is. */
  runIn(session: Session, args: readonly string[]): Promise<number>;
}

/** Makes a command from a program (named `kvlab …`) and a function that runs it with the program's settings. */
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

/** Makes a command that reads and writes keys. It also takes the settings that say where the cluster is. */
export function keyCommand<Table extends SettingsTable>(
  program: Program<Table>,
  run: (settings: SettingsOf<Table>, session: Session) => Promise<number>,
): ClusterCommand {
  return clusterCommand(program, run, callSettings);
}

/** Makes a command that asks the routers. It also takes the settings that say where the routers are. */
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
      // The type of a generic table is not known here.
      const known = settings as SettingsOf<Table> & ReachSettings;
      await using session = openSession(known);
      return await run(known, session);
    }),
    runIn: (session, args) => run(readSettings(program, { args, env: {} }), session),
  };
}
