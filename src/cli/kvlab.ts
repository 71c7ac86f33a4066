import { messageOf } from "../common/message-of.ts";
import { exitCodeTable, UNFORESEEN } from "../settings/exit-codes.ts";
import { HelpRequested, SettingError, type SettingsInput } from "../settings/read-settings.ts";
import { ExitError, isNotRead, print } from "../settings/run-main.ts";
import { refuseUndecodable } from "../settings/undecodable.ts";
import type { Command } from "./command.ts";
import { recoverCommand, transferCommand } from "./commands/admin.ts";
import { agentCommand } from "./commands/agent.ts";
import { agentsCommand } from "./commands/agents.ts";
import { batchCommand } from "./commands/batch.ts";
import { exportCommand } from "./commands/export.ts";
import { importCommand } from "./commands/import.ts";
import { deleteCommand, getCommand, locateCommand, putCommand } from "./commands/keys.ts";
import { licensesCommand } from "./commands/licenses.ts";
import { dumpCommand, repairCommand, verifyCommand } from "./commands/log.ts";
import { replCommand } from "./commands/repl.ts";
import {
  ringAbortCommand,
  ringAddCommand,
  ringCommand,
  ringDrainCommand,
  ringPauseCommand,
  ringRemoveCommand,
  ringResumeCommand,
  ringSetCommand,
  ringWithdrawCommand,
} from "./commands/ring.ts";
import { scanCommand } from "./commands/scan.ts";
import { statusCommand } from "./commands/status.ts";
import { watchCommand } from "./commands/watch.ts";
import { completionCommand } from "./completion/completion.ts";
import { quoted } from "./key-failure.ts";
import { firstSentence } from "./summary.ts";
import { version } from "./version.ts";

const clientCommands: readonly Command[] = [
  putCommand,
  getCommand,
  deleteCommand,
  scanCommand,
  watchCommand,
  batchCommand,
  importCommand,
  exportCommand,
  locateCommand,
  statusCommand,
  agentsCommand,
  transferCommand,
  recoverCommand,
  ringAddCommand,
  ringDrainCommand,
  ringSetCommand,
  ringRemoveCommand,
  ringPauseCommand,
  ringResumeCommand,
  ringAbortCommand,
  ringWithdrawCommand,
  // After those that begin with the same word.
  ringCommand,
  replCommand,
  agentCommand,
  verifyCommand,
  dumpCommand,
  repairCommand,
];

/**
 * The `kvlab` command, with the commands that start servers. It runs the command that its first words name, and resolves
 * to the exit code.
 */
export function kvlab(serverCommands: readonly Command[]): (input: SettingsInput) => Promise<number> {
  const commands: readonly Command[] = [
    ...clientCommands,
    ...serverCommands,
    completionCommand(() => commands),
    licensesCommand,
  ];
  return (input) => runCommand(commands, input);
}

async function runCommand(commands: readonly Command[], { args, env }: SettingsInput): Promise<number> {
  for (const [index, argument] of args.entries()) {
    const secret = secretFlags(commands).find(
      (flag) => args[index - 1] === flag || argument.startsWith(`${flag}=`),
    );
    refuseUndecodable(
      secret === undefined ? `the argument ${quoted(argument)}` : `the value of ${secret}`,
      argument,
    );
  }
  const [first, ...rest] = args;
  if (first === undefined || first === "--help" || first === "-h")
    throw new HelpRequested(overview(commands));
  if (first === "--version") {
    await print(`kvlab ${version}\n`);
    return 0;
  }
  if (first === "help") {
    if (rest.length === 0) throw new HelpRequested(overview(commands));
    return runCommand(commands, { args: [...rest, "--help"], env });
  }
  const command = commands.find(({ words }) => words.every((word, index) => word === args[index]));
  if (!command || isMistyped(commands, command, args)) throw unknownCommand(commands, args);
  return command.run({ args: args.slice(command.words.length), env }).catch((reason) => {
    throw foreseen(reason);
  });
}

/** The settings whose values are never shown, as arguments. */
function secretFlags(commands: readonly Command[]): string[] {
  const settings = commands.flatMap(({ program }) => Object.entries(program.settings));
  return settings.flatMap(([name, { secret }]) => (secret ? [`--${name}`] : []));
}

/** Whether this was to be another command: `ring` takes no operand, so `ring ad` is none of its command lines. */
function isMistyped(
  commands: readonly Command[],
  { words, usage }: Command,
  args: readonly string[],
): boolean {
  const next = args[words.length];
  const isBeginning = commands.some(
    (other) => other.words[0] === words[0] && other.words.length > words.length,
  );
  return isBeginning && usage === "" && next !== undefined && !next.startsWith("-");
}

/** Expected errors have an exit code. Any other error must not get one of those codes, least of all 1. */
function foreseen(reason: unknown): unknown {
  const isForeseen =
    reason instanceof ExitError || reason instanceof SettingError || reason instanceof HelpRequested;
  if (isForeseen || isNotRead(reason)) return reason;
  const message = messageOf(reason);
  return new ExitError(UNFORESEEN, message, { cause: reason });
}

function overview(commands: readonly Command[]): string {
  const names = commands.map(({ words, usage }) => `  kvlab ${words.join(" ")}${usage}`);
  const width = Math.max(...names.map((name) => name.length));
  const lines = commands.map(
    ({ program }, index) => `${names[index]?.padEnd(width)}  ${firstSentence(program.summary)}`,
  );
  return `Reads and writes a kvlab cluster, and shows how it is.

Usage:
${lines.join("\n")}

\`kvlab COMMAND --help\` says all about a command, \`kvlab --version\` which kvlab this is.

Exit codes:
${exitCodeTable.map(([code, meaning]) => `${String(code).padStart(5)}  ${meaning}\n`).join("")}`;
}

function unknownCommand(commands: readonly Command[], args: readonly string[]): SettingError {
  const names = commands.map(({ words }) => words.join(" "));
  const group = names.filter((name) => name.startsWith(`${args[0]} `));
  const given = JSON.stringify(args.slice(0, group.length > 0 ? 2 : 1).join(" "));
  const allowed = (group.length > 0 ? group : names).join(", ");
  return new SettingError(`${given} is not a command; allowed: ${allowed} (flags come after the command)`);
}
