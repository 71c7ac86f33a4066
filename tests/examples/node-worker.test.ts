// runtimes: node
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { KvClient } from "kvlab";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { startExample } from "./example-process.ts";

const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => address);
const client = new KvClient({ routers });
const workers = [0, 1].map(() =>
  startExample("examples/node-worker.ts", { KVLAB_ROUTERS: routers.join(",") }),
);
after(async () => {
  client.close();
  await Promise.all(workers.map((worker) => worker.kill()));
  await cluster.close();
});

/** Waits for the results of so many jobs: all that were put, one after the other. */
async function results(
  watch: AsyncIterable<{ type: string; key: string }>,
  count: number,
): Promise<string[]> {
  const found: string[] = [];
  for await (const { type, key } of watch) {
    if (type === "put" && key.endsWith("/done")) found.push(key);
    if (found.length === count) break;
  }
  return found.sort();
}

test("several Node workers do each job once, whether it was there before them or comes later", {
  timeout: 60_000,
}, async () => {
  const watch = client.watch({ prefix: "jobs/" });
  await watch.ready();
  const ids = Array.from({ length: 20 }, (_, index) => String(100 + index));
  await Promise.all(ids.slice(0, 10).map((id) => client.put(`jobs/{${id}}/todo`, `job ${id}`)));
  await Promise.all(workers.map((worker) => worker.says(/waits for jobs/)));
  await Promise.all(ids.slice(10).map((id) => client.put(`jobs/{${id}}/todo`, `job ${id}`)));
  assert.deepEqual(
    await results(watch, ids.length),
    ids.map((id) => `jobs/{${id}}/done`),
  );
  assert.equal((await client.get("jobs/{107}/done"))?.text(), "JOB 107");
  assert.equal(await client.get("jobs/{107}/todo"), undefined);
  assert.equal(await client.get("jobs/{107}/claim"), undefined);
});

test("a job of a Node worker that has died is done by another when the claim expires", {
  timeout: 60_000,
}, async () => {
  const watch = client.watch({ prefix: "jobs/{dead}" });
  await watch.ready();
  const { revision } = await client.batch([
    { put: "jobs/{dead}/claim", value: "a worker that is no more", ttlMs: 500 },
    { put: "jobs/{dead}/todo", value: "left over" },
  ]);
  const types: string[] = [];
  for await (const { type, key, revision: at } of watch) {
    if (at === revision) continue;
    types.push(`${type} ${key.split("/").at(-1)}`);
    if (key.endsWith("/done")) break;
  }
  assert.equal(types[0], "expire claim", "not before");
  assert.equal((await client.get("jobs/{dead}/done"))?.text(), "LEFT OVER");
});

test("a Node worker that is told to stop ends", { timeout: 60_000 }, async () => {
  for (const worker of workers) {
    worker.signal("SIGTERM");
    assert.equal(await worker.exited(), 0, worker.output());
  }
});
