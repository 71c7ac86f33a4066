/** Time and randomness. Core logic takes them only from here, so that the simulation can replace them. */
export interface Clock {
  /** Milliseconds on a clock that never jumps, and continues while the process is paused. */
  monotonicMs(): number;
  /** Milliseconds since 1970 on the machine's clock, which may jump. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs`, unless the returned function is called before. */
  timer(delayMs: number, callback: () => void): () => void;
  /** A number from 0 (included) to 1 (excluded). */
  random(): number;
}

/** The longest time of a JavaScript timer: 24 days. A longer timer fires at once. */
export const timerMsMax = 2 ** 31 - 1;

/** Whole milliseconds, from 1 to the longest that a timer can count. */
export function wholeTimerMs(ms: number): number {
  return Math.min(timerMsMax, Math.max(1, Math.ceil(ms)));
}

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

/** Resolves after `delayMs`, or when `signal` is aborted. Callers check the signal afterwards. */
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
 * Runs `call` with a signal that is aborted when `signal` is, or after `timeoutMs`. Then rejects, whether or not `call`
 * has ended.
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
