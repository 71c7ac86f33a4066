// Runs in a page of another origin than the cluster's; the test calls what it leaves on `globalThis`.
import { KvClient, type KvClientOptions } from "kvlab";
import { contract } from "./contract.ts";

/** Runs one case of the contract. Rejects when the promise is broken. */
async function runCase(index: number, routers: readonly string[]): Promise<void> {
  const open = (options: Partial<KvClientOptions> = {}) => new KvClient({ routers, ...options });
  const kv = open();
  try {
    await contract[index]?.run(kv, { prefix: `browser ${index}:`, open });
  } finally {
    kv.close();
  }
}

export type RunCase = typeof runCase;

/** Watches five times, puts 20 keys, which are of both groups, and scans them while the watches are open. */
async function watchAndCall(router: string) {
  const kv = new KvClient({ routers: router, deadlineMs: 20_000 });
  const prefix = "five:";
  try {
    const watches = Array.from({ length: 5 }, () => kv.watch({ prefix }));
    await Promise.all(watches.map((watch) => watch.ready()));
    for (let index = 0; index < 20; index++) await kv.put(`${prefix}${index}`, "value");
    const value = (await kv.get(`${prefix}0`))?.text();
    let keys = 0;
    for await (const _ of kv.scan({ prefix })) keys++;
    const counted = watches.map(async (watch) => {
      const told = new Set<string>();
      for await (const { key } of watch) if (told.add(key).size === 20) break;
      return told.size;
    });
    return { value, keys, events: await Promise.all(counted) };
  } finally {
    kv.close();
  }
}

export type WatchAndCall = typeof watchAndCall;

Object.assign(globalThis, { runCase, watchAndCall });
