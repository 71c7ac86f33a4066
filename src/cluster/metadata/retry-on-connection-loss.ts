import { createBackoff } from "../../common/backoff.ts";
import type { Clock } from "../../common/clock.ts";
import { unlessAborted } from "../../common/unless-aborted.ts";
import {
  type Access,
  type Coordination,
  CoordinationError,
  type Watcher,
} from "../../coordination/coordination.ts";

/** What work on the znodes needs. */
export interface Task {
  readonly session: Coordination;
  readonly clock: Clock;
  /** Access mode for the znodes that the work creates. */
  readonly access: Access;
  /** Ends all waits. Aborted when the session is over, if not before. */
  readonly signal: AbortSignal;
  /** Called with a message for operators: what blocks the work, and what to do. */
  readonly onDiagnostic: (message: string) => void;
}

/**
 * Runs `step` until its outcome is known. After CONNECTION_LOSS a step may have happened, so it runs again as soon as the
 * session is connected, and must read before it decides. That read is up to date, because a server that lags behind would
 * hide the effect of the lost call.
 *
 * Rejects with what `step` rejects with, with SESSION_EXPIRED or CLOSED when the session is over, and with the
 * signal's reason when it is aborted.
 */
export async function retryOnConnectionLoss<T>(
  { session, clock, signal }: Pick<Task, "session" | "clock"> & { readonly signal?: AbortSignal },
  step: () => Promise<T>,
): Promise<T> {
  const pause = createBackoff(clock, 20, 2000);
  for (let losses = 0; ; losses++) {
    signal?.throwIfAborted();
    try {
      if (losses > 0) await session.sync("/");
      return await step();
    } catch (error) {
      if (!CoordinationError.is(error, "CONNECTION_LOSS")) throw error;
      await untilConnected(session, signal);
      if (losses > 0) await pause.wait(signal);
    }
  }
}

/** Errors: SESSION_EXPIRED, CLOSED, the signal's reason. */
export async function untilConnected(session: Coordination, signal?: AbortSignal): Promise<void> {
  const changed = Promise.withResolvers<void>();
  const stop = session.onState((state) => {
    if (state !== "disconnected") changed.resolve();
  });
  try {
    if (session.state === "disconnected") await unlessAborted(changed.promise, signal);
  } finally {
    stop();
  }
  if (session.state === "expired") throw new CoordinationError("SESSION_EXPIRED", "the session has expired");
  if (session.state === "closed") throw new CoordinationError("CLOSED", "the session is closed");
}

/** What `get` answers, or undefined when there is no such znode: a given watcher is then not set. */
export async function getIfThere(session: Coordination, path: string, watcher?: Watcher) {
  try {
    return await session.get(path, watcher);
  } catch (error) {
    if (CoordinationError.is(error, "NO_NODE")) return undefined;
    throw error;
  }
}

/** A znode, or one life of it. */
export interface Znode {
  readonly path: string;
  readonly czxid?: string;
}

/** Waits until the znode's data changes or it goes; not at all when it is not there, or in another life. */
export async function untilTouched(task: Task, { path, czxid }: Znode): Promise<void> {
  const touched = Promise.withResolvers<void>();
  const found = await retryOnConnectionLoss(task, () =>
    getIfThere(task.session, path, () => touched.resolve()),
  );
  if (found === undefined || (czxid !== undefined && found.stat.czxid !== czxid)) return;
  await unlessAborted(touched.promise, task.signal);
}
