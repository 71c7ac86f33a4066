import assert from "node:assert/strict";
import { test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { systemEnvironment } from "../../src/client/environment.ts";
import { KvClient } from "../../src/client/index.ts";
import { never, topologyOf } from "./toy-cluster.ts";

test("a batch of keys with one {tag} is of one group, also when the ring changes as the batch is made", async () => {
  const server = createRouterTransport(({ service }) => {
    service(RouterService, {
      getTopology: (_request, { signal }) => never(signal),
      async *watchTopology(_request, { signal }) {
        yield { topology: topologyOf({ a: "host:1" }) };
        yield { topology: topologyOf({ b: "host:2" }, 1n, 2n) };
        await never(signal);
      },
    });
    service(DataService, {
      batch: () => ({ revision: 7n }),
      exchange: ({ operations }) => ({
        answers: operations.map(({ id }) => ({
          id,
          answer: { case: "batch" as const, value: { revision: 7n } },
        })),
      }),
    });
  });
  const connect = () => ({ transportTo: () => server, close() {} });
  const client = new KvClient({ routers: "host:3" }, { ...systemEnvironment, connect });
  try {
    const steps = Array.from({ length: 1000 }, (_, index) => ({ put: `{tag}${index}`, value: "" }));
    assert.deepEqual(await client.batch(steps), { revision: 7 });
  } finally {
    client.close();
  }
});
