import assert from "node:assert/strict";
import { after, test } from "node:test";
import { acquireLock, lockContenders, tryLock, ZooKeeper } from "../../../src/zookeeper/index.ts";
import { until } from "../../support/until.ts";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { Kazoo } from "./kazoo.ts";

const zookeeper = await startZooKeeper();
const servers = zookeeper.connectString;
const client = await ZooKeeper.connect({ servers });
const kazoo = new Kazoo(servers);
after(async () => {
  kazoo.kill();
  await client.close();
  await zookeeper.close();
});

/** Waits until so many contend for a lock. */
function queued(path: string, count: number) {
  return until(`${count} contend for ${path}`, 30_000, async () => {
    const queue = await lockContenders(client, path);
    return queue.length === count && queue;
  });
}

test("a lock of kazoo and ours are one, in the order in which they came", { timeout: 60_000 }, async () => {
  const path = "/kazoo/lock";
  const theirs = await kazoo.make("Lock", [path, "theirs"]);
  const first = await acquireLock(client, path, { identifier: "first" });
  const acquired = theirs.call("acquire");
  await queued(path, 2);
  const last = acquireLock(client, path, { identifier: "last" });
  const queue = await queued(path, 3);
  assert.deepEqual(
    queue.map(({ identifier }) => identifier),
    ["first", "theirs", "last"],
  );
  assert.deepEqual(await theirs.call("contenders"), ["first", "theirs", "last"]);
  await first.release();
  assert.equal(await acquired, true);
  assert.equal(await tryLock(client, path), undefined);
  await theirs.call("release");
  const held = await last;
  assert.ok(held.fencingToken > first.fencingToken);
  assert.equal(await theirs.call("acquire", false), false, "kazoo sees that it is taken");
  await held.release();
  assert.deepEqual(await lockContenders(client, path), []);
});
