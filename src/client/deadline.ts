import { systemClock, timerMsMax } from "../common/clock.ts";
import { KvError } from "./errors.ts";

/** When a call has to end: in time, or when its caller or the client gives up. */
export interface Deadline {
  /** Why it has ended; undefined while it has not. */
  readonly ended: KvError | undefined;
  /** Whole milliseconds that are left, from 1 to what timers can count; undefined without a limit. */
  remainingMs(): number | undefined;
  /** Calls `listener` once at the end, at once if that was before. Returns how to stop that. */
  onEnd(listener: (reason: KvError) => void): () => void;
  /** Resolves as `promise` does. Rejects at the end, with why. */
  race<T>(promise: Promise<T>): Promise<T>;
  /** Ends it early. */
  end(reason: KvError): void;
  /** To be called when nobody waits any more. */
  release(): void;
}

/** Begins to count. `limitMs` may be Infinity. */
export function startDeadline(limitMs: number, signal?: AbortSignal): Deadline {
  const endMs = performance.now() + limitMs;
  const listeners = new Set<(reason: KvError) => void>();
  let ended: KvError | undefined;
  let cancel = () => {};

  const end = (reason: KvError) => {
    if (ended !== undefined) return;
    ended = reason;
    release();
    for (const listener of [...listeners]) listener(reason);
    listeners.clear();
  };
  const onAbort = () => {
    const reason: unknown = signal?.reason;
    end(
      reason instanceof KvError ? reason : new KvError("aborted", "the call was aborted", { cause: reason }),
    );
  };
  const release = () => {
    cancel();
    signal?.removeEventListener("abort", onAbort);
  };
  if (signal?.aborted) {
    onAbort();
  } else {
    signal?.addEventListener("abort", onAbort, { once: true });
    if (limitMs < Number.POSITIVE_INFINITY) {
      cancel = systemClock.timer(limitMs, () =>
        end(new KvError("deadline", `no answer within ${limitMs} ms`)),
      );
    }
  }

  const deadline: Deadline = {
    get ended() {
      return ended;
    },
    remainingMs() {
      if (limitMs === Number.POSITIVE_INFINITY) return undefined;
      return Math.min(timerMsMax, Math.max(1, Math.ceil(endMs - performance.now())));
    },
    onEnd(listener) {
      if (ended !== undefined) {
        listener(ended);
        return () => {};
      }
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    race: (promise) =>
      new Promise((resolve, reject) => {
        const leave = deadline.onEnd(reject);
        promise.then(resolve, reject).finally(leave);
      }),
    end,
    release,
  };
  return deadline;
}

/** A signal that is aborted when the deadline ends, for what takes no less. */
export function signalOf(deadline: Deadline): AbortSignal {
  const controller = new AbortController();
  deadline.onEnd((reason) => controller.abort(reason));
  return controller.signal;
}
