import { type Kind, problemWithOptions } from "../common/option-kinds.ts";
import { KvError } from "./errors.ts";

/** Refuses what `problemWithOptions` finds. `what`: what has the options, in words. Errors: KvError `invalid`. */
export function checkOptions(what: string, given: unknown, kinds: Readonly<Record<string, Kind>>): void {
  const problem = problemWithOptions(what, given, kinds);
  if (problem !== undefined) throw new KvError("invalid", problem);
}
