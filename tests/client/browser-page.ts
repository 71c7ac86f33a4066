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

Object.assign(globalThis, { runCase });
