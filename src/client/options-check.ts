import { KvError } from "./errors.ts";

/** What an option may be: in words, and as a test. */
interface Kind {
  readonly allowed: string;
  readonly accepts: (given: unknown) => boolean;
}

/** A kind for each option there is. */
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
  // Not `instanceof`: it may be of another realm, such as a frame's.
  accepts: (given) => typeof given === "object" && given !== null && "aborted" in given,
};
/** For what is checked elsewhere. */
export const anything: Kind = { allowed: "anything", accepts: () => true };

/**
 * Refuses what would otherwise be passed over in silence: an option that is not known (a condition that is written wrong
 * would be none), or is of another type than it must be. `what` has them, in words. Errors: KvError `invalid`.
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

/** A value in an error, which stays a line. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
