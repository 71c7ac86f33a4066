// runtimes: node
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { startExample } from "../example-process.ts";

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper();
after(() => zookeeper.close());

test("two processes see one configuration, and each other come and go", { timeout: 60_000 }, async () => {
  const env = { ZK_SERVERS: zookeeper.connectString };
  const alice = startExample("examples/zookeeper/first-steps.ts", env, 0);
  const bob = startExample("examples/zookeeper/first-steps.ts", env, 1);
  try {
    await Promise.all([alice.says(/running: alice, bob/), bob.says(/running: alice, bob/)]);
    alice.type("one");
    await Promise.all([alice.says(/version 0: one/), bob.says(/version 0: one/)]);
    bob.type("two");
    await Promise.all([alice.says(/version 1: two/), bob.says(/version 1: two/)]);
    bob.type();
    assert.equal(await bob.exited(), 0, bob.output());
    await alice.says(/running: alice, bob\n[\s\S]*running: alice$/m);
  } finally {
    await Promise.all([alice.kill(), bob.kill()]);
  }
});
