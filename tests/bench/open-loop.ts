import type { Contestant } from "./contestant.ts";

const putsPerSecond = 100;
/** Longer than a failover: who waits is served as soon as somebody serves. */
const putTimeoutMs = 5000;
const keyCount = 100;
const value = "v".repeat(100);

/** Puts that are sent at a steady rate, whatever becomes of those before. */
export interface OpenLoop {
  /** When each put that succeeded was sent and acknowledged. */
  readonly successes: readonly { readonly sentMs: number; readonly ackedMs: number }[];
  /** No more are sent; resolves when all are over. */
  end(): Promise<void>;
}

export function startOpenLoop(contestant: Contestant): OpenLoop {
  const successes: { sentMs: number; ackedMs: number }[] = [];
  const puts: Promise<void>[] = [];
  const begunMs = performance.now();
  const send = async () => {
    const sentMs = performance.now();
    try {
      await contestant.put(`key-${puts.length % keyCount}`, value, putTimeoutMs);
      successes.push({ sentMs, ackedMs: performance.now() });
    } catch {
      // What counts is how long none succeeds.
    }
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - begunMs) / 1000) * putsPerSecond;
    while (puts.length < due) puts.push(send());
  }, 2);
  return {
    successes,
    async end() {
      clearInterval(timer);
      await Promise.all(puts);
    },
  };
}
