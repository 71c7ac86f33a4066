import type { Contestant } from "./contestant.ts";

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

export function startOpenLoop(contestant: Pick<Contestant, "put">, putsPerSecond = 100): OpenLoop {
  const successes: { sentMs: number; ackedMs: number }[] = [];
  const pending = new Set<Promise<void>>();
  let sent = 0;
  const begunMs = performance.now();
  const send = async (index: number) => {
    const sentMs = performance.now();
    try {
      await contestant.put(`key-${index % keyCount}`, value, putTimeoutMs);
      successes.push({ sentMs, ackedMs: performance.now() });
    } catch {
      // What counts is how long none succeeds.
    }
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - begunMs) / 1000) * putsPerSecond;
    while (sent < due) {
      const put = send(sent++).finally(() => pending.delete(put));
      pending.add(put);
    }
  }, 2);
  return {
    successes,
    async end() {
      clearInterval(timer);
      await Promise.all(pending);
    },
  };
}
