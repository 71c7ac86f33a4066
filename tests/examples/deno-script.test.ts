// runtimes: node
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { KvClient } from "kvlab";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { startExample } from "./example-process.ts";

const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => address);
const client = new KvClient({ routers });
after(async () => {
  client.close();
  await cluster.close();
});

test("the Deno script counts keys and bytes by folder", { timeout: 60_000 }, async () => {
  for (const [key, value] of [
    ["jobs/{1}/todo", "12345"],
    ["jobs/{2}/todo", "é"],
    ["alone", "a"],
    ["notes/plan", new Uint8Array(1000)],
  ] as const) {
    await client.put(key, value);
  }
  const sums = async (index: number) => {
    const script = startExample("examples/deno-script.ts", { KVLAB_ROUTERS: routers.join(",") }, index);
    assert.equal(await script.exited(), 0, script.output());
    return script.output().trimEnd().replaceAll(/ {2,}/g, " ").split("\n");
  };
  assert.deepEqual(await sums(0), [
    "(others) 1 keys 1 bytes",
    "jobs/ 2 keys 7 bytes",
    "notes/ 1 keys 1000 bytes",
    "in all 4 keys 1008 bytes",
  ]);
  assert.deepEqual(await sums(1), [
    "jobs/{1}/ 1 keys 5 bytes",
    "jobs/{2}/ 1 keys 2 bytes",
    "in all 2 keys 7 bytes",
  ]);
});
