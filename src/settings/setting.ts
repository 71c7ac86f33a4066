import { isIP } from "node:net";
import { type Address, addressAllowed, joinHostPort, parseAddress } from "../common/address.ts";

/** A setting of a program. The functions below make it; a program has a record of them by name. */
export interface Setting<T> {
  /** Its purpose and unit, in a line or two of help. */
  readonly meaning: string;
  /** Word that stands for its value in the help. Undefined for a switch, which takes none. */
  readonly placeholder?: string;
  /** What is allowed, to end the sentence "allowed: …". */
  readonly allowed: string;
  /**
   * Where it may come from. `anywhere` (the default): a flag, else the environment variable of the same name. `flag`:
   * the flag only. `operand`: its place on the command line.
   */
  readonly source?: "anywhere" | "flag" | "operand";
  /** Whether its value is secret and never shown. */
  readonly secret?: boolean;
  /** What shell completion offers: files, or these words. */
  readonly completes?: "files" | readonly string[];
  /** Whether the flag may be given several times: the values are then joined by commas. */
  readonly repeatable?: boolean;
  /** The value, or undefined when the text is not allowed. */
  readonly parse: (given: string) => T | undefined;
  /** The default, and how the help shows it. Absent when the setting must be given. */
  readonly fallback?: { readonly value: T; readonly shown: string };
}

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table of settings, by name. */
export type SettingsOf<Table extends SettingsTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : never;
};

/** The command line of a program or command. */
export interface Program<Table extends SettingsTable> {
  /** How it is called, e.g. `kvlab put`. */
  readonly command: string;
  /** What it does: the first lines of its help. */
  readonly summary: string;
  /** In the order of the help; operands in the order of the command line. */
  readonly settings: Table;
  /** Lines that show it in use. */
  readonly examples?: readonly string[];
}

type Description = Pick<Setting<unknown>, "meaning" | "placeholder" | "source" | "secret" | "completes">;

/** A text that must be given. `accepts` refuses what is not `allowed`; without it, only the empty text is refused. */
export function text(
  description: Description & { allowed: string; accepts?: (given: string) => boolean },
): Setting<string> {
  const { accepts = (given) => given !== "", ...rest } = description;
  return { ...rest, parse: (given) => (accepts(given) ? given : undefined) };
}

/** A number from `min` to `max` (both included) that must be given; whole, unless `fraction` is set. */
export function number(
  description: Description & { min: number; max: number; fraction?: boolean },
): Setting<number> {
  const { min, max, fraction = false, ...rest } = description;
  const form = fraction ? /^\d{1,15}(\.\d{1,15})?$/ : /^\d{1,15}$/;
  return {
    ...rest,
    allowed: `a ${fraction ? "" : "whole "}number from ${min} to ${max}`,
    parse(given) {
      const value = form.test(given) ? Number(given) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** One of a few words, which must be given. */
export function choice<Word extends string>(
  description: Description & { words: readonly Word[] },
): Setting<Word> {
  const { words, ...rest } = description;
  return {
    ...rest,
    allowed: words.join(" or "),
    completes: words,
    parse: (given) => words.find((word) => word === given),
  };
}

const durationUnitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A span of time in milliseconds, at least one, that must be given: a number with its unit, as `30s`. */
export function duration(description: Description): Setting<number> {
  return {
    ...description,
    allowed: "a number and its unit, one of ms, s, m, h and d, like 30s or 1.5h",
    parse(given) {
      const [, digits = "", unit = ""] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(given) ?? [];
      const ms = Math.round(Number(digits) * (durationUnitsMs[unit] ?? 0));
      return Number.isSafeInteger(ms) && ms >= 1 ? ms : undefined;
    },
  };
}

/** A host name or an IP address, which must be given. */
export function host(description: Description): Setting<string> {
  return text({
    ...description,
    allowed: "an IP address or a host name",
    accepts: (given) => isIP(given) !== 0 || parseAddress(joinHostPort(given, 1)) !== undefined,
  });
}

/** Where others reach a server, which must be given. */
export function address(description: Description): Setting<Address> {
  return { ...description, allowed: addressAllowed, parse: parseAddress };
}

/** A TCP port, which must be given. */
export function port(description: Description): Setting<number> {
  return number({ ...description, min: 1, max: 65_535 });
}

/** A flag without a value: false unless it is given. */
export function toggle(meaning: string): Setting<boolean> {
  return {
    meaning,
    allowed: "no value",
    source: "flag",
    parse: (given) => given === "true",
    fallback: { value: false, shown: "off" },
  };
}

/** The same setting, with a default. `shown` is how the help names it. */
export function withDefault<T>(setting: Setting<T>, value: T, shown = String(value)): Setting<T> {
  return { ...setting, fallback: { value, shown } };
}

/** The same setting, undefined when it is not given. */
export function optional<T>(setting: Setting<T>): Setting<T | undefined> {
  return { ...setting, fallback: { value: undefined, shown: "none" } };
}
