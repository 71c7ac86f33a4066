// runtimes: bun, node
// alone: ten thousand streams need the machine
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService, type WatchResponse } from "../../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../../gen/kvlab/v1/router_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { startEmbeddedCluster } from "../../support/embedded-cluster.ts";

const cluster = await startEmbeddedCluster();
after(() => cluster.close());

const watcherCount = 10_000;
/** A connection carries 1,000 streams at most. */
const perConnection = 900;

const connections = Array.from({ length: Math.ceil(watcherCount / perConnection) }, () => createTransports());
after(() => {
  for (const { close } of connections) close();
});

test("10,000 watchers on one node are each told of their own key, while it serves", {
  timeout: 120_000,
}, async () => {
  const router = createClient(
    RouterService,
    cluster.transports.transportTo(cluster.routers[0]?.address ?? ""),
  );
  const { address, group } = await router.locate({ key: "{w}" });
  const data = createClient(DataService, cluster.transports.transportTo(address));
  const over = new AbortController();
  const watchers: AsyncIterator<WatchResponse>[] = [];
  for (const [index, transports] of connections.entries()) {
    const client = createClient(DataService, transports.transportTo(address));
    const count = Math.min(perConnection, watcherCount - index * perConnection);
    const some = Array.from({ length: count }, (_, at) => {
      const scope = { case: "key" as const, value: `{w}${index * perConnection + at}` };
      return client.watch({ group, scope }, { signal: over.signal })[Symbol.asyncIterator]();
    });
    await Promise.all(some.map((watcher) => watcher.next()));
    watchers.push(...some);
  }
  assert.equal(watchers.length, watcherCount);
  const told = new Set<number>();
  const next = watchers.map(async (watcher, index) => {
    const keys: string[] = [];
    // What only says how far the watch has come names no key.
    while (keys.length === 0) {
      const { value, done } = await watcher.next();
      if (done) return;
      for (const { key } of value.events) keys.push(key);
    }
    assert.deepEqual(keys, [`{w}${index}`]);
    told.add(index);
  });
  for (const index of [0, 5_000, 9_999]) {
    await data.put({ key: `{w}${index}`, value: { case: "text", value: "1" } });
    await next[index];
  }
  assert.deepEqual([...told], [0, 5_000, 9_999]);
  over.abort();
  await Promise.allSettled(next);
});
