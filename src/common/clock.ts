/** Time and chance. Core logic reads them only here, so that the simulation can replace them. */
export interface Clock {
  /** Milliseconds on a clock that never jumps and counts on while the process is stopped. */
  monotonicMs(): number;
  /** Milliseconds since 1970, as the machine believes; it may jump. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs`, unless the returned function is called before. */
  timer(delayMs: number, callback: () => void): () => void;
  /** A number from 0 (included) to 1 (excluded). */
  random(): number;
}

/** The longest time that the timers of JavaScript can count: 24 days. With a longer one they are over at once. */
export const timerMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  timer(delayMs, callback) {
    const endMs = performance.now() + delayMs;
    const isLong = delayMs > timerMsMax;
    let handle = setTimeout(isLong ? goOn : callback, isLong ? timerMsMax : delayMs);
    function goOn(): void {
      const leftMs = endMs - performance.now();
      handle = leftMs > timerMsMax ? setTimeout(goOn, timerMsMax) : setTimeout(callback, leftMs);
    }
    return () => clearTimeout(handle);
  },
  random: () => Math.random(),
};

/** Resolves after `delayMs`, or at once when `signal` is aborted: callers look at the signal afterwards. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.timer(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/**
 * Runs `call` with a signal that is aborted when `signal` is, or after `timeoutMs`. Rejects then, whether or not
 * `call` takes notice.
 */
export function withTimeout<T>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const abort = (reason: unknown) => {
      controller.abort(reason);
      reject(reason);
    };
    const onAbort = () => abort(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const cancel = clock.timer(timeoutMs, () => abort(new Error(`no answer within ${timeoutMs} ms`)));
    call(controller.signal)
      .then(resolve, reject)
      .finally(() => {
        cancel();
        signal.removeEventListener("abort", onAbort);
      });
  });
}
