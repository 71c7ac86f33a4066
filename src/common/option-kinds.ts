/** Checks of options that a program gives, for those who write it in JavaScript and for misspelt names. */

/** What is allowed for an option: in words, and as a function. */
export interface Kind {
  readonly allowed: string;
  readonly accepts: (given: unknown) => boolean;
  /** Whether values are kept out of messages. */
  readonly isSecret?: boolean;
}

/** The kind of each option. */
export type Kinds<Options> = { readonly [Name in keyof Options]-?: Kind };

const isCount = wholeNumber(1).accepts;

export const yesOrNo: Kind = { allowed: "true or false", accepts: (given) => typeof given === "boolean" };
export const bytes: Kind = {
  allowed: "a Uint8Array",
  accepts: (given) => given instanceof Uint8Array,
};
export const anObject: Kind = {
  allowed: "an object",
  accepts: (given) => typeof given === "object" && given !== null,
};
export const aList: Kind = { allowed: "a list", accepts: Array.isArray };
export const bigInteger: Kind = { allowed: "a bigint", accepts: (given) => typeof given === "bigint" };
export const callback: Kind = { allowed: "a function", accepts: (given) => typeof given === "function" };
export const text: Kind = { allowed: "a string", accepts: (given) => typeof given === "string" };
export const count: Kind = { allowed: "a whole number, at least 1", accepts: isCount };
export const wholeMs: Kind = { allowed: "a whole number of milliseconds, at least 1", accepts: isCount };
export const revision: Kind = { allowed: "a revision, a whole number above 0", accepts: isCount };
export const durationMs: Kind = {
  allowed: "a number of milliseconds above 0",
  accepts: (given) => typeof given === "number" && given > 0,
};
export const abortSignal: Kind = {
  allowed: "an AbortSignal",
  // Not `instanceof`: the signal may come from another realm, such as a frame.
  accepts: (given) => typeof given === "object" && given !== null && "aborted" in given,
};
/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Kind {
  const upTo = most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`;
  return {
    allowed: `a whole number from ${least}${upTo}`,
    accepts: (given) => Number.isSafeInteger(given) && Number(given) >= least && Number(given) <= most,
  };
}
/** Any number from `least` to `most`. */
export function numberFrom(least: number, most: number): Kind {
  return {
    allowed: `a number from ${least} to ${most}`,
    accepts: (given) => typeof given === "number" && given >= least && given <= most,
  };
}
export function oneOf(values: readonly string[]): Kind {
  return {
    allowed: `one of ${values.join(", ")}`,
    accepts: (given) => typeof given === "string" && values.includes(given),
  };
}
export function listOf(kind: Kind): Kind {
  return {
    ...kind,
    allowed: `a list, of which each is ${kind.allowed}`,
    accepts: (given) => Array.isArray(given) && given.every((each) => kind.accepts(each)),
  };
}
/** An object that has all of these; what else it has does not matter. */
export function objectWith(kinds: Readonly<Record<string, Kind>>): Kind {
  return {
    allowed: `an object with ${Object.keys(kinds).join(", ")}`,
    accepts: (given) =>
      typeof given === "object" &&
      given !== null &&
      Object.entries(kinds).every(([name, kind]) => kind.accepts(Reflect.get(given, name))),
  };
}
/** For options that are checked elsewhere. */
export const anything: Kind = { allowed: "anything", accepts: () => true };

/**
 * What is wrong with options that would otherwise be ignored: unknown ones (a misspelt condition would be none), and ones of
 * the wrong type. Undefined when nothing is. `what`: what has the options, in words.
 */
export function problemWithOptions(
  what: string,
  given: unknown,
  kinds: Readonly<Record<string, Kind>>,
): string | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return `the options of ${what} are ${shown(given)}; they must be an object`;
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      const known = Object.keys(kinds).join(", ");
      return `${what} has the option ${shown(name)}, which is not known; known: ${known}`;
    }
    const problem = problemWith(name, value, kind);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What is wrong with the value that has this name. */
export function problemWith(name: string, value: unknown, kind: Kind): string | undefined {
  if (kind.accepts(value)) return undefined;
  return `${name} is ${kind.isSecret ? "not shown" : shown(value)}; it must be ${kind.allowed}`;
}

/** A value for an error message, on one line. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
