import { type Kind, problemWith, problemWithOptions } from "../common/option-kinds.ts";
import { ZooKeeperError } from "./errors.ts";

/** Refuses what `problemWithOptions` finds. `what`: what has the options, in words. Errors: BAD_ARGUMENTS. */
export function checkOptions(what: string, given: unknown, kinds: Readonly<Record<string, Kind>>): void {
  const problem = problemWithOptions(what, given, kinds);
  if (problem !== undefined) throw new ZooKeeperError("BAD_ARGUMENTS", problem);
}

/** Refuses an argument of another kind. Errors: BAD_ARGUMENTS. */
export function checkArgument(name: string, given: unknown, kind: Kind): void {
  const problem = problemWith(name, given, kind);
  if (problem !== undefined) throw new ZooKeeperError("BAD_ARGUMENTS", problem);
}
