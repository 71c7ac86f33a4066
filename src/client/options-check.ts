import { KvError } from "./errors.ts";

/** What is allowed for an option: in words, and as a function. */
interface Kind {
  readonly allowed: string;
  readonly accepts: (given: unknown) => boolean;
}

/** The kind of each option. */
export type Kinds<Options> = { readonly [Name in keyof Options]-?: Kind };

export const yesOrNo: Kind = { allowed: "true or false", accepts: (given) => typeof given === "boolean" };
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
/** For options that are checked elsewhere. */
export const anything: Kind = { allowed: "anything", accepts: () => true };

/**
 * Refuses options that would otherwise be ignored: unknown ones (a misspelt condition would be none), and ones of the
 * wrong type. `what`: what has the options, in words. Errors: KvError `invalid`.
 */
export function checkOptions(what: string, given: unknown, kinds: Readonly<Record<string, Kind>>): void {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new KvError("invalid", `the options of ${what} are ${shown(given)}; they must be an object`);
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      const known = Object.keys(kinds).join(", ");
      throw new KvError(
        "invalid",
        `${what} has the option ${shown(name)}, which is not known; known: ${known}`,
      );
    }
    if (!kind.accepts(value)) {
      throw new KvError("invalid", `${name} is ${shown(value)}; it must be ${kind.allowed}`);
    }
  }
}

function isCount(given: unknown): boolean {
  return Number.isSafeInteger(given) && Number(given) >= 1;
}

/** A value for an error message, on one line. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
