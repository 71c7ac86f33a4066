import { after, describe, it } from "node:test";
import { KvClient, type KvClientOptions } from "kvlab";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { contract } from "./contract.ts";

const timeout = 60_000;

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => address);
after(() => cluster.close());

for (const direct of [true, false]) {
  describe(direct ? "straight to the data nodes" : "through routers", () => {
    const open = (options: Partial<KvClientOptions> = {}) => new KvClient({ routers, direct, ...options });
    const kv = open();
    after(() => kv.close());
    contract.forEach(({ title, run }, index) => {
      it(title, { timeout }, () => run(kv, { prefix: `${direct} ${index}:`, open }));
    });
  });
}
