/** The deadline of a call: the caller's, or a default. */

import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Clock } from "../common/clock.ts";
import { Deadlines, type Expiring } from "../common/deadlines.ts";

/** Default for calls without a deadline: longer than a failover, short enough for a person to wait. */
export const defaultDeadlineMs = 10_000;

/**
 * Runs what must not last as long as a stream may, with a signal that is aborted when the caller has gone, its deadline
 * has passed, or the server shuts down. (The port gives every unary call a deadline.)
 */
export async function withinDeadline<T>(
  context: HandlerContext,
  clock: Clock,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (context.timeoutMs() !== undefined) return await run(context.signal);
  const { signal, release } = startDeadline(new Deadlines(clock), defaultDeadlineMs, context.signal);
  try {
    return await run(signal);
  } finally {
    release();
  }
}

/**
 * A signal that is aborted after `limitMs`, or when `given` is. The caller must release it when nobody waits for it any
 * more.
 */
export function startDeadline(
  deadlines: Deadlines,
  limitMs: number,
  given?: AbortSignal,
): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const limit: Expiring = {
    dueMs: deadlines.clock.monotonicMs() + limitMs,
    expire() {
      release();
      controller.abort(new ConnectError(`no answer within ${limitMs} ms`, Code.DeadlineExceeded));
    },
  };
  const onAbort = () => {
    release();
    controller.abort(given?.reason);
  };
  function release(): void {
    deadlines.delete(limit);
    given?.removeEventListener("abort", onAbort);
  }
  deadlines.add(limit);
  if (given?.aborted) onAbort();
  else given?.addEventListener("abort", onAbort);
  return { signal: controller.signal, release };
}

/**
 * The end of the time of calls that begin together and may take equally long. It costs next to nothing unless one of
 * them waits.
 */
export class SharedDeadline implements Expiring {
  readonly limitMs: number;
  readonly dueMs: number;
  readonly #deadlines: Deadlines;
  #controller: AbortController | undefined;
  /** The calls, and whoever adds them. */
  #holders = 1;

  /** Its maker holds it, until `release`. */
  constructor(deadlines: Deadlines, limitMs: number) {
    this.limitMs = limitMs;
    this.dueMs = deadlines.clock.monotonicMs() + limitMs;
    this.#deadlines = deadlines;
  }

  /** Aborted at the end. For those who hold it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      this.#deadlines.add(this);
    }
    return this.#controller.signal;
  }

  /** Milliseconds that are left until then. */
  timeoutMs(): number {
    return this.dueMs - this.#deadlines.clock.monotonicMs();
  }

  /** One more call waits for it. */
  hold(): void {
    this.#holders++;
  }

  /** One call less: after the last one it never comes. */
  release(): void {
    if (--this.#holders === 0) this.#deadlines.delete(this);
  }

  expire(): void {
    this.#controller?.abort(new ConnectError(`no answer within ${this.limitMs} ms`, Code.DeadlineExceeded));
  }
}
