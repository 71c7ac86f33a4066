import { type Kind, problemWithOptions } from "./option-kinds.ts";

/** Refuses what `problemWithOptions` finds, where there is no error class for it. Errors: RangeError. */
export function checkOptions(what: string, given: unknown, kinds: Readonly<Record<string, Kind>>): void {
  const problem = problemWithOptions(what, given, kinds);
  if (problem !== undefined) throw new RangeError(problem);
}
