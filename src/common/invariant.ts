/** Something that must always hold does not: this process can no longer be trusted, and must end. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * Throws an InvariantError unless `condition` holds. `message` says what is broken; a function, where the text costs
 * something to make. Whoever catches errors must let this one end the process: it is never an answer to a caller.
 */
export function invariant(condition: boolean, message: string | (() => string)): asserts condition {
  if (condition) return;
  throw new InvariantError(`broken invariant: ${typeof message === "string" ? message : message()}`);
}
