import type { HandlerContext } from "@connectrpc/connect";

/** For calls that set no deadline of their own: longer than a failover takes, short enough for a person to wait. */
export const defaultDeadlineMs = 10_000;

/** Aborted when the caller has gone, its deadline has passed, or the server shuts down. */
export function deadlineOf(context: HandlerContext): AbortSignal {
  if (context.timeoutMs() !== undefined) return context.signal;
  return AbortSignal.any([context.signal, AbortSignal.timeout(defaultDeadlineMs)]);
}
