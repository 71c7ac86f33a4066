import { pathProblem } from "../zookeeper/paths.ts";
import { CoordinationError } from "./coordination.ts";

/** Refuses a path that is not absolute or not allowed, as `pathProblem` says. Errors: BAD_ARGUMENTS. */
export function checkPath(path: string, sequential = false): void {
  const problem = pathProblem(path, sequential);
  if (problem !== undefined) throw new CoordinationError("BAD_ARGUMENTS", problem, { path });
}
