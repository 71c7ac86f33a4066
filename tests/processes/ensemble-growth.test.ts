// runtimes: bun
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ZooKeeper } from "../../src/zookeeper/index.ts";
import { reconfigured } from "../support/reconfigured.ts";
import { assertKept, writeSteadily, written } from "../support/steady-writes.ts";
import { makeStoreOnEnsemble, sessionTimeoutMs } from "../support/store-on-ensemble.ts";

const keys = ["a", "b", "c"];

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const store = await makeStoreOnEnsemble(2);
after(() => store.close());
const { zookeeper, routed } = store;

test("an ensemble that has grown from three to five under load bears the death of two", {
  timeout: 120_000,
}, async () => {
  await store.start();
  const writes = writeSteadily(keys, { client: () => routed });
  await written(writes, keys);
  await using operator = await ZooKeeper.connect({ servers: zookeeper.connectString, sessionTimeoutMs });
  await Promise.all(zookeeper.spare.map((member) => member.start()));
  const joining = zookeeper.spare.map(({ definition }) => definition);
  const { data } = await reconfigured(operator, { joining });
  assert.equal(
    Buffer.from(data)
      .toString()
      .match(/^server\./gm)?.length,
    5,
  );
  await operator.close();

  await Promise.all(zookeeper.members.slice(0, 2).map((member) => member.kill()));
  await written(writes, keys);
  assert.deepEqual(writes.errors.map(String), []);

  // A failover writes to ZooKeeper, so it needs the majority.
  await store.killPrimary();
  await written(writes, keys);
  await writes.end();
  await assertKept(routed, writes);
});
