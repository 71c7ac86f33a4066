import { parseArgs } from "node:util";
import { helpOf } from "./help.ts";
import type { Program, Setting, SettingsOf, SettingsTable } from "./setting.ts";

/** Where settings are read from. */
export interface SettingsInput {
  /** The command line after the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A setting has a value that is not allowed. The message is one line with the setting, its value and what is allowed.
 */
export class SettingError extends Error {
  override readonly name = "SettingError";
}

/** Thrown when help is requested. It ends the program successfully. */
export class HelpRequested extends Error {
  override readonly name = "HelpRequested";
  readonly help: string;

  constructor(help: string) {
    super("help was asked for");
    this.help = help;
  }
}

/**
 * Reads all settings of a program. A flag (`--name value` or `--name=value`) wins over the environment variable of the
 * same name. An empty variable counts as unset. If a flag is repeated, the last one counts. Errors: SettingError,
 * HelpRequested (`--help` or `-h`).
 */
export function readSettings<Table extends SettingsTable>(
  program: Program<Table>,
  input: SettingsInput,
): SettingsOf<Table> {
  const given = readCommandLine(program, input.args);
  const values = Object.entries(program.settings).map(([name, setting]) => {
    const fromLine = given.get(name);
    const fromEnvironment =
      (setting.source ?? "anywhere") === "anywhere" ? input.env[name] || undefined : undefined;
    return [name, resolve(name, setting, fromLine, fromEnvironment)];
  });
  return Object.fromEntries(values);
}

function resolve(
  name: string,
  setting: Setting<unknown>,
  fromLine: string | undefined,
  fromEnvironment: string | undefined,
): unknown {
  const label = labelOf(name, setting);
  const given = fromLine ?? fromEnvironment;
  if (given === undefined) {
    if (setting.fallback) return setting.fallback.value;
    throw new SettingError(`${label} must be given${hintOf(name, setting)}; allowed: ${setting.allowed}`);
  }
  const value = setting.parse(given);
  if (value !== undefined) return value;
  const shown = setting.secret ? "not what is allowed (its value is not shown)" : JSON.stringify(given);
  const origin = fromLine === undefined ? " in the environment" : "";
  throw new SettingError(`${label} is ${shown}${origin}; allowed: ${setting.allowed}`);
}

function hintOf(name: string, { source }: Setting<unknown>): string {
  if (source === "operand") return "";
  return source === "flag" ? ` (as --${name})` : ` (as --${name} or as the environment variable ${name})`;
}

/** The texts of flags and operands, by setting name. */
function readCommandLine(program: Program<SettingsTable>, args: readonly string[]): Map<string, string> {
  const settings = new Map(Object.entries(program.settings));
  const operands = [...settings].filter(([, setting]) => setting.source === "operand").map(([name]) => name);
  const flags = [...settings].filter(([name]) => !operands.includes(name));
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries([
      ...flags.map(([name, setting]) => [name, { type: setting.placeholder ? "string" : "boolean" }]),
      ["help", { type: "boolean", short: "h" }],
    ]),
    // The messages of strict mode differ between runtimes, and do not say what is allowed.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  // In `put a -hello` the h begins a value, not a request for help: nothing is put, and that must not look like success.
  const isHelp = (token: (typeof tokens)[number]) =>
    token.kind === "option" && (token.rawName === "--help" || args[token.index] === "-h");
  if (tokens.some(isHelp)) throw new HelpRequested(helpOf(program));

  const given = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === "option") {
      const setting = flags.find(([name]) => token.rawName === `--${name}`)?.[1];
      if (!setting)
        throw unknownFlag(token.rawName === "-h" ? `${args[token.index]}` : token.rawName, program);
      const value = flagValue(token, setting);
      const before = setting.repeatable ? given.get(token.name) : undefined;
      given.set(token.name, before === undefined ? value : `${before},${value}`);
    } else if (token.kind === "positional") {
      const name = operands.shift();
      if (name === undefined) throw unexpectedArgument(program, token.value);
      given.set(name, token.value);
    }
  }
  return given;
}

function flagValue(
  token: { rawName: string; value?: string | undefined; inlineValue?: boolean | undefined },
  setting: Setting<unknown>,
): string {
  const { rawName, value, inlineValue } = token;
  if (setting.placeholder === undefined) {
    if (value !== undefined)
      throw new SettingError(`${rawName} is ${JSON.stringify(value)}; allowed: no value`);
    return "true";
  }
  // A value that looks like a flag most likely is one, and the value was forgotten.
  if (value === undefined || (!inlineValue && value.length > 1 && value.startsWith("-"))) {
    const hint = value === undefined ? "" : ` (a value that begins with "-" is written ${rawName}=VALUE)`;
    throw new SettingError(`${rawName} has no value${hint}; allowed: ${setting.allowed}`);
  }
  return value;
}

function unknownFlag(rawName: string, program: Program<SettingsTable>): SettingError {
  const settings = Object.entries(program.settings);
  const flags = settings.filter(([, setting]) => setting.source !== "operand").map(([name]) => `--${name}`);
  const hint = flags.length < settings.length ? " (after --, a dash begins no flag)" : "";
  return new SettingError(
    `${rawName} is not a known flag${hint}; allowed: ${[...flags, "--help"].join(" ")}`,
  );
}

function unexpectedArgument(program: Program<SettingsTable>, argument: string): SettingError {
  const operands = Object.entries(program.settings).flatMap(([name, setting]) =>
    setting.source === "operand" ? [labelOf(name, setting)] : [],
  );
  const allowed = operands.length === 0 ? "flags only" : `${operands.join(" ")} and flags`;
  return new SettingError(`${JSON.stringify(argument)} is one argument too many; allowed: ${allowed}`);
}

function labelOf(name: string, setting: Setting<unknown>): string {
  return setting.source === "operand" ? (setting.placeholder ?? name) : name;
}
