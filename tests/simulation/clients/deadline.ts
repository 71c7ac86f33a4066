import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../../src/common/clock.ts";

/** Of every call, as on a server when the caller sets none. */
const deadlineMs = 10_000;

/** Runs `call` with a signal that is aborted with the caller's, or at the deadline. */
export async function withDeadline<T>(
  clock: Clock,
  caller: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
  afterMs = deadlineMs,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = () => controller.abort(new ConnectError("the caller has gone", Code.Canceled));
  if (caller.aborted) onAbort();
  caller.addEventListener("abort", onAbort, { once: true });
  const cancel = clock.timer(afterMs, () =>
    controller.abort(new ConnectError("the deadline has passed", Code.DeadlineExceeded)),
  );
  try {
    return await call(controller.signal);
  } finally {
    cancel();
    caller.removeEventListener("abort", onAbort);
  }
}
