// A rate limiter: so many calls in any span of so many milliseconds, whoever makes them from wherever.
//
//   npm start                                   (in another terminal)
//   node examples/rate-limiter.ts alice
//
// It makes seven calls as fast as five in two seconds allow. Bun and Deno run it as well.
//
// There are as many slots as calls are allowed. Each call takes one by putting a key that was not there, and the key's
// time to live gives it back. Of any `limit` + 1 calls two have had the same slot, one after the other: so they are at
// least `windowMs` apart. Only the servers' clock counts, and a client that dies leaves nothing behind.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { KvClient, KvError } from "kvlab";

export interface RateLimit {
  /** Calls in any span of `windowMs`: up to some hundreds, as a refusal costs a look at all of them. */
  readonly limit: number;
  readonly windowMs: number;
}

/** Milliseconds to wait before the call of `caller` is worth another try; 0: it may be made now. */
export async function waitBeforeCall(client: KvClient, caller: string, rate: RateLimit): Promise<number> {
  const prefix = `rate/${encodeURIComponent(caller)}/`;
  const slots = Array.from({ length: rate.limit }, (_, slot) => `${prefix}${slot}`);
  for (let free = slots; ; ) {
    // Any will do; at random, so that callers of the same moment seldom want the same.
    const slot = free[Math.floor(Math.random() * free.length)];
    if (slot !== undefined && (await take(client, slot, rate.windowMs))) return 0;
    const taken = new Map<string, number>();
    for await (const { key, ttlLeftMs = 0 } of client.scan({ prefix, keysOnly: true })) {
      taken.set(key, ttlLeftMs);
    }
    free = slots.filter((each) => !taken.has(each));
    if (free.length === 0) return Math.max(1, Math.min(...taken.values()));
  }
}

async function take(client: KvClient, slot: string, ttlMs: number): Promise<boolean> {
  try {
    await client.put(slot, "", { ifAbsent: true, ttlMs });
    return true;
  } catch (error) {
    if (error instanceof KvError && error.code === "condition-failed") return false;
    throw error;
  }
}

if (process.argv[1] === import.meta.filename) {
  const client = new KvClient({ routers: (process.env.KVLAB_ROUTERS ?? "127.0.0.1:1926").split(",") });
  const caller = process.argv[2] ?? "anybody";
  const startedMs = performance.now();
  for (let call = 1; call <= 7; ) {
    const waitMs = await waitBeforeCall(client, caller, { limit: 5, windowMs: 2_000 });
    if (waitMs === 0) console.log(`call ${call++} of ${caller}, ${ms(performance.now() - startedMs)}`);
    else console.log(`too many calls of ${caller}: waiting for ${ms(waitMs)}`);
    await sleep(waitMs);
  }
  client.close();
}

function ms(milliseconds: number): string {
  return `${milliseconds.toFixed(0)} ms`;
}
