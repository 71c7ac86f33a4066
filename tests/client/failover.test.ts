import assert from "node:assert/strict";
import { after, test } from "node:test";
import { KvClient } from "kvlab";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";

const timeout = 60_000;

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => address);
after(() => cluster.close());

/** Puts keys while `fault` happens, and asserts that a watch is told of each acknowledged put, once. */
async function putThrough(kv: KvClient, prefix: string, fault: () => Promise<unknown>): Promise<void> {
  const watch = kv.watch({ prefix });
  await watch.ready();
  const acknowledged = new Set<string>();
  const put = async (key: string) => {
    const { revision } = await kv.put(key, key);
    acknowledged.add(`${key} at ${revision}`);
  };
  for (let i = 0; i < 50; i++) await put(`${prefix}before ${i}`);
  const failing = fault();
  for (let i = 0; i < 50; i++) await put(`${prefix}while ${i}`);
  await failing;
  for (let i = 0; i < 50; i++) await put(`${prefix}after ${i}`);

  const told: string[] = [];
  for await (const event of watch) {
    if (told.push(`${event.key} at ${event.revision}`) === acknowledged.size) break;
  }
  assert.deepEqual(told.sort(), [...acknowledged].sort());
  for (const place of acknowledged) {
    const key = place.slice(0, place.lastIndexOf(" at "));
    assert.equal((await kv.get(key))?.value, key);
  }
}

test("a primary that stops costs no write, and no watch an event", { timeout }, async () => {
  const kv = new KvClient({ routers, deadlineMs: 30_000 });
  const { address } = await kv.locate("a while 0");
  await putThrough(kv, "a ", async () => cluster.nodes.find((node) => node.address === address)?.stop());
  kv.close();
});

test("a router that stops costs no write, and no watch an event", { timeout }, async () => {
  const kv = new KvClient({ routers, direct: false, deadlineMs: 30_000 });
  await putThrough(kv, "b ", async () => cluster.routers[0]?.stop());
  kv.close();
});
