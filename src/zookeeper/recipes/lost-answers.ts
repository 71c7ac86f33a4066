import { ZooKeeperError } from "../errors.ts";

/**
 * Makes a write until its answer arrives: again after each CONNECTION_LOSS, and then with `isRepeated`, as an attempt
 * before may have been carried out. Errors: those of `attempt` but CONNECTION_LOSS; with `maybeApplied` when an attempt
 * before may have been carried out.
 */
export async function untilAnswered<T>(attempt: (isRepeated: boolean) => Promise<T>): Promise<T> {
  for (let isRepeated = false; ; isRepeated = true) {
    try {
      return await attempt(isRepeated);
    } catch (error) {
      if (!ZooKeeperError.is(error)) throw error;
      if (error.code === "CONNECTION_LOSS") continue;
      if (!isRepeated || error.maybeApplied) throw error;
      const message = `${error.message}; an earlier attempt may have been carried out`;
      const { path, index } = error;
      throw new ZooKeeperError(error.code, message, {
        maybeApplied: true,
        cause: error,
        ...(path !== undefined && { path }),
        ...(index !== undefined && { index }),
      });
    }
  }
}
