import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { KvClient } from "kvlab";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { failure } from "./expect.ts";
import { notApplied, startToyServer, topologyOf } from "./toy-cluster.ts";

const timeout = 30_000;

// A router, and a data node that is reached through a proxy.
const router = await startToyServer();
const node = await startToyServer();
const proxy = await startTcpProxy(node.address);
router.tell(topologyOf({ g: proxy.address }));
after(async () => {
  await proxy.close();
  await Promise.all([router.close(), node.close()]);
});

/** Fails if more clients are connected than a new one, once that has been answered. */
async function nobodyElseIsConnected(): Promise<void> {
  const other = new KvClient({ routers: router.address });
  await other.get("a");
  assert.equal(proxy.connections, 1);
  other.close();
  await until("it is gone", 5_000, () => proxy.connections === 0);
}

describe("a closed client connects to nobody", () => {
  it("for a call that comes later", { timeout }, async () => {
    const kv = new KvClient({ routers: router.address });
    await kv.get("a");
    kv.close();
    await until("it is gone", 5_000, () => proxy.connections === 0);
    await failure(kv.get("a"), "closed");
    await nobodyElseIsConnected();
  });

  it("for a call that was about to be sent again", { timeout }, async () => {
    const kv = new KvClient({ routers: router.address });
    let tries = 0;
    node.put = () => {
      tries++;
      return Promise.reject(notApplied());
    };
    const put = failure(kv.put("a", "1"), "closed");
    await until("it has been refused", 5_000, () => tries > 0);
    await new Promise((resolve) => setImmediate(resolve));
    kv.close();
    await put;
    await until("it is gone", 5_000, () => proxy.connections === 0);
    await nobodyElseIsConnected();
  });
});
