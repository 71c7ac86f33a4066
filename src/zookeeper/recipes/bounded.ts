import { systemClock } from "../../common/clock.ts";
import type { Kinds } from "../../common/option-kinds.ts";
import { checkOptions } from "../check.ts";
import { ZooKeeperError } from "../errors.ts";
import type { CallOptions } from "../options.ts";
import { checkPath } from "../paths.ts";

/** The options of calls that go on until a signal ends them. */
export interface EndlessCall extends CallOptions {
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}

/**
 * Runs what consists of several calls under one deadline, without one by default. `run` gets the options for each of its
 * calls. Errors: those of `run`; DEADLINE_EXCEEDED, in the name of `what`; BAD_ARGUMENTS, for the path or an
 * option; `kinds` are those of the options.
 */
export async function bounded<T>(
  what: string,
  path: string,
  options: CallOptions,
  kinds: Kinds<CallOptions>,
  run: (call: EndlessCall) => Promise<T>,
): Promise<T> {
  checkPath(path);
  checkOptions(`${what} ${path}`, options, kinds);
  const { signal, deadlineMs = Number.POSITIVE_INFINITY } = options;
  const ending = new AbortController();
  const abort = () => ending.abort(signal?.reason);
  let isLate = false;
  const expire = () => {
    isLate = !ending.signal.aborted;
    ending.abort();
  };
  const cancel = deadlineMs < Number.POSITIVE_INFINITY ? systemClock.timer(deadlineMs, expire) : () => {};
  signal?.addEventListener("abort", abort, { once: true });
  try {
    if (signal?.aborted) abort();
    return await run({ signal: ending.signal, deadlineMs: Number.POSITIVE_INFINITY });
  } catch (error) {
    if (!isLate || !ZooKeeperError.is(error, "ABORTED")) throw error;
    const message = `${what} ${path}: it was not done within ${deadlineMs} ms`;
    const { maybeApplied } = error;
    throw new ZooKeeperError("DEADLINE_EXCEEDED", message, { path, maybeApplied, cause: error });
  } finally {
    cancel();
    signal?.removeEventListener("abort", abort);
  }
}

/** The result of `work`, which goes on for nobody when the signal is aborted first. Errors: those of `work`; ABORTED. */
export function unlessAborted<T>(path: string, signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      const message = `${path}: the wait was aborted`;
      reject(new ZooKeeperError("ABORTED", message, { path, cause: signal.reason }));
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
