import { createBackoff } from "../../../common/backoff.ts";
import { systemClock } from "../../../common/clock.ts";
import { ZooKeeperError } from "../../errors.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { unlessAborted } from "../bounded.ts";

/**
 * Gives a session that is not over: the present one of the program, or a new one. Asked again when the session that it has
 * given is over. Whoever gives it closes it.
 */
export type SessionSource = () => Promise<ZooKeeper>;

/** Pauses between two sessions. */
const [FIRST_PAUSE_MS, PAUSE_MS_MAX] = [100, 10_000];

/**
 * Does `work` in one session after another until `signal` is aborted. `work` calls `isWell` when it is where it has to be,
 * and resolves when the session is over. `onError` gets errors of it and of the source, after which the pause before the
 * next attempt is longer. Never fails.
 */
export async function inEachSession(
  source: SessionSource,
  signal: AbortSignal,
  work: (client: ZooKeeper, isWell: () => void) => Promise<void>,
  onError: (error: unknown) => void,
): Promise<void> {
  const backoff = createBackoff(systemClock, FIRST_PAUSE_MS, PAUSE_MS_MAX);
  while (!signal.aborted) {
    try {
      const client = await unlessAborted("/", signal, source());
      checkAlive(client);
      await work(client, () => backoff.reset());
    } catch (error) {
      onError(error);
    }
    await backoff.wait(signal);
  }
}

/** Whether a session is over. */
export function isOver({ state }: ZooKeeper): boolean {
  return state === "expired" || state === "closed";
}

/** Errors: SESSION_EXPIRED, CLOSED. */
function checkAlive(client: ZooKeeper): void {
  if (!isOver(client)) return;
  const code = client.state === "expired" ? "SESSION_EXPIRED" : "CLOSED";
  throw new ZooKeeperError(code, "the session that was given is over; allowed: one that is not");
}
