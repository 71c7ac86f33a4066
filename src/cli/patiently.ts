import { setTimeout as delay } from "node:timers/promises";
import { UNAVAILABLE } from "../settings/exit-codes.ts";
import { ExitError } from "../settings/run-main.ts";

/** No router answers for this long: then it is given up. */
const patienceMs = 60_000;

/** Pause between two attempts, and between two words about them. */
const everyMs = 1000;

/**
 * Asks until a router answers; undefined when `signal` is aborted before. `onSilence` is called every second while none
 * does, with the milliseconds since the question. Errors: those of `onSilence` and of `ask`, of which `UNAVAILABLE` only
 * after a minute.
 */
export async function patiently<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  onSilence: (silentMs: number) => Promise<void>,
): Promise<T | undefined> {
  const askedMs = performance.now();
  const answer = untilAnswered(ask, signal, askedMs + patienceMs);
  const isOver = answer.then(() => true);
  // What is asked keeps the process running.
  while (!(await Promise.race([isOver, delay(everyMs, false, { ref: false })]))) {
    await onSilence(performance.now() - askedMs);
  }
  return await answer;
}

async function untilAnswered<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  endMs: number,
): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await ask();
    } catch (reason) {
      if (signal.aborted) break;
      const isTried = reason instanceof ExitError && reason.exitCode === UNAVAILABLE;
      if (!isTried || performance.now() > endMs) throw reason;
    }
    await delay(everyMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

/** What to show meanwhile: the last answer, if there was one, and how old it is. */
export function silence(last: string, silentMs: number): string {
  const note = `no router has answered for ${Math.round(silentMs / 1000)} s`;
  return last === "" ? note : `${last.trimEnd()}\n${note}`;
}
