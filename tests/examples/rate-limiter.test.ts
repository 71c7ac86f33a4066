import assert from "node:assert/strict";
import { after, test } from "node:test";
import { KvClient } from "kvlab";
import { waitBeforeCall } from "../../examples/rate-limiter.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { startExample } from "./example-process.ts";

const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => address);
const clients = Array.from({ length: 8 }, () => new KvClient({ routers }));
after(async () => {
  for (const client of clients) client.close();
  await cluster.close();
});

function clientAt(index: number): KvClient {
  const client = clients[index % clients.length];
  assert.ok(client);
  return client;
}

test("callers at the same time on several clients get just as many calls as are allowed", {
  timeout: 60_000,
}, async () => {
  const rate = { limit: 20, windowMs: 600_000 };
  const waits = await Promise.all(
    Array.from({ length: 80 }, (_, index) => waitBeforeCall(clientAt(index), "everybody", rate)),
  );
  assert.equal(waits.filter((waitMs) => waitMs === 0).length, 20);
  for (const waitMs of waits) assert.ok(waitMs <= 600_000);
  assert.equal(
    await waitBeforeCall(clientAt(0), "everybody else", rate),
    0,
    "callers do not share their limits",
  );
});

test("a call is allowed again when one that was allowed has become old enough, and not before", {
  timeout: 60_000,
}, async () => {
  const client = clientAt(0);
  const rate = { limit: 2, windowMs: 3_000 };
  const watch = client.watch({ prefix: "rate/bob/" });
  await watch.ready();
  assert.equal(await waitBeforeCall(client, "bob", rate), 0);
  assert.equal(await waitBeforeCall(client, "bob", rate), 0);
  const events: string[] = [];
  const waitMs = await waitBeforeCall(client, "bob", rate);
  assert.ok(waitMs > 0 && waitMs <= 3_000, `${waitMs} ms`);
  for await (const { type } of watch) {
    events.push(type);
    if (type === "expire") break;
  }
  assert.deepEqual(events, ["put", "put", "expire"]);
  assert.equal(await waitBeforeCall(client, "bob", rate), 0);
});

test("demonstrations of the rate limiter for the same caller share its calls", {
  timeout: 60_000,
}, async () => {
  const demonstrations = [0, 1].map(() =>
    startExample("examples/rate-limiter.ts", { KVLAB_ROUTERS: routers.join(",") }),
  );
  for (const each of demonstrations) assert.equal(await each.exited(), 0, each.output());
  const [first, second] = demonstrations.map((each) => each.output());
  assert.match(first ?? "", /call 7 of alice/);
  assert.match(second ?? "", /call 7 of alice/);
  assert.match(`${first}${second}`, /too many calls of alice: waiting for \d+ ms/);
});
