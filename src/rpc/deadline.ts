/** The deadline of a call: the caller's, or a default. */

import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { type Clock, timerMsMax } from "../common/clock.ts";

/** Default for calls without a deadline: longer than a failover, short enough for a person to wait. */
export const defaultDeadlineMs = 10_000;

/** Aborted when the caller has gone, its deadline has passed, or the server shuts down. */
export function deadlineOf(context: HandlerContext, clock: Clock): AbortSignal {
  if (context.timeoutMs() !== undefined) return context.signal;
  return startDeadline(clock, defaultDeadlineMs, context.signal).signal;
}

/** A handler that runs `call` until the deadline of its caller, or the default one. */
export function withDeadline<Request, Response>(
  clock: Clock,
  call: (request: Request, signal: AbortSignal) => Promise<Response>,
): (request: Request, context: HandlerContext) => Promise<Response> {
  return async (request, context) => {
    if (context.timeoutMs() !== undefined) return await call(request, context.signal);
    const { signal, release } = startDeadline(clock, defaultDeadlineMs, context.signal);
    try {
      return await call(request, signal);
    } finally {
      release();
    }
  };
}

/**
 * A signal that is aborted after `limitMs`, or when `given` is. The caller must release it when nobody waits for it any
 * more.
 */
export function startDeadline(
  clock: Clock,
  limitMs: number,
  given?: AbortSignal,
): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const cancel = clock.timer(limitMs, () => {
    release();
    controller.abort(new ConnectError(`no answer within ${limitMs} ms`, Code.DeadlineExceeded));
  });
  const onAbort = () => {
    release();
    controller.abort(given?.reason);
  };
  function release(): void {
    cancel();
    given?.removeEventListener("abort", onAbort);
  }
  if (given?.aborted) onAbort();
  else given?.addEventListener("abort", onAbort);
  return { signal: controller.signal, release };
}

/**
 * Shortens the time-out in the headers of a call to the longest that a timer can count: the libraries' timers fire at
 * once with a longer one. Malformed headers are left for the libraries to refuse.
 */
export function clampTimeout(headers: Headers): void {
  const connect = headers.get("connect-timeout-ms");
  if (connect !== null && Number(connect) > timerMsMax && /^\d{1,10}$/.test(connect)) {
    headers.set("connect-timeout-ms", String(timerMsMax));
  }
  const [, digits = "", unit = ""] = /^(\d{1,8})([HMS])$/.exec(headers.get("grpc-timeout") ?? "") ?? [];
  if (Number(digits) * (secondsOf[unit] ?? 0) > timerSecondsMax) {
    headers.set("grpc-timeout", `${timerSecondsMax}S`);
  }
}

const secondsOf: Readonly<Record<string, number>> = { H: 3_600, M: 60, S: 1 };
const timerSecondsMax = Math.floor(timerMsMax / 1_000);
