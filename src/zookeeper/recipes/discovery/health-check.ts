import { sleep, systemClock } from "../../../common/clock.ts";

export interface HealthCheck {
  /** Whether the instance can serve now. What throws, or takes longer than the interval, counts as no. */
  check(signal: AbortSignal): Promise<boolean>;
  /** Milliseconds between two checks, from 10. Default: 5,000. */
  readonly intervalMs?: number | undefined;
}

export const CHECK_INTERVAL_MS = 5000;

/**
 * Checks again and again until `signal` is aborted, and tells `onResult` each result. One check at a time: a check that
 * hangs is no reason to begin another one.
 */
export async function checkHealth(
  { check, intervalMs = CHECK_INTERVAL_MS }: HealthCheck,
  signal: AbortSignal,
  onResult: (isHealthy: boolean) => void,
): Promise<void> {
  while (!signal.aborted) {
    const late = new AbortController();
    const cancel = systemClock.timer(intervalMs, () => {
      late.abort();
      if (!signal.aborted) onResult(false);
    });
    const isHealthy = await attempt(() => check(AbortSignal.any([signal, late.signal])));
    cancel();
    if (!signal.aborted && !late.signal.aborted) onResult(isHealthy);
    await sleep(systemClock, intervalMs, signal);
  }
}

async function attempt(check: () => Promise<boolean>): Promise<boolean> {
  try {
    return await check();
  } catch {
    return false;
  }
}
