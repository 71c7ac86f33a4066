// runtimes: bun, node
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { OneGroup } from "../support/one-group.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

// What people do with log files, on real processes: no acknowledged write may be lost by it.

const timeout = 120_000;
const folder = await mkdtemp(join(tmpdir(), "kvlab-identity-"));
const zookeeper = await startZooKeeper();
after(async () => {
  await zookeeper.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `action` with a cluster of its own, which serves with nodes 1 and 2. */
async function withGroup(name: string, action: (group: OneGroup) => Promise<void>): Promise<void> {
  const group = await OneGroup.make(folder, zookeeper.connectString, name);
  try {
    await group.start();
    await action(group);
  } finally {
    await group.close();
  }
}

test("the log of another cluster is refused, whatever its group and number", { timeout }, async () => {
  await withGroup("a", async (a) => {
    await withGroup("b", async (b) => {
      await b.put(20);
      await a.node(2).stop();
      await b.node(2).stop();
      await copyFile(a.log(2), b.log(2));
      const before = await readFile(b.log(2));
      b.node(2).launch();
      assert.equal(await b.node(2).exited(), 2);
      assert.match(b.node(2).output, /is of cluster [0-9a-f]{32}, and ZooKeeper holds cluster [0-9a-f]{32}/);
      assert.deepEqual(await readFile(b.log(2)), before);
      assert.deepEqual(await b.lost(20), []);
    });
  });
});

test("a copy of the primary's log in a standby's place becomes a replica of its own, and catches up", {
  timeout,
}, async () => {
  await withGroup("c", async (group) => {
    await group.put(20);
    await group.node(2).stop();
    await copyFile(group.log(1), group.log(2));
    await group.node(2).start();
    await group.untilInSync([1, 3]);
    await group.put(300, 2);
    await group.node(1).kill();
    assert.deepEqual(await group.lost(300, 2), []);
  });
});

test("a copy made while its original runs is not promoted in its place", { timeout }, async () => {
  await withGroup("d", async (group) => {
    await group.put(20);
    await copyFile(group.log(1), group.log(3));
    await group.node(3).start();
    await group.put(100, 2);
    group.router.signal("SIGSTOP");
    await group.node(1).stop();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    group.router.signal("SIGCONT");
    assert.deepEqual(await group.lost(100, 2), []);
  });
});

for (const [how, restore] of [
  ["over the log", copyFile],
  ["beside it and renamed", rename],
] as const) {
  test(`an old copy, restored ${how}, serves nothing by itself, and gives way to the one that has everything`, {
    timeout,
  }, async () => {
    await withGroup(`e${how.length}`, async (group) => {
      const old = `${group.log(1)}.old`;
      await group.put(20);
      await copyFile(group.log(1), old);
      await group.put(300, 2);
      // A copy of the last two seconds, written over the very file, cannot be told from what was there.
      await group.untilFloor(100);
      await Promise.all([group.node(1).kill(), group.node(2).kill()]);
      await restore(old, group.log(1));
      await group.node(1).start();
      assert.match(await group.unavailable(), /no primary now/);
      await group.node(2).start();
      assert.deepEqual(await group.lost(300, 2), []);
    });
  });
}

test("the old log of a lone node waits for an operator, who is told what may be lost", {
  timeout,
}, async () => {
  await withGroup("f", async (group) => {
    await group.node(2).kill();
    await group.put(20);
    const old = `${group.log(1)}.old`;
    await copyFile(group.log(1), old);
    await group.put(100, 2);
    await group.node(1).stop();
    await copyFile(old, group.log(1));
    group.node(1).launch();
    await group.node(1).says("kvlab recover zdata1 --accept-data-loss");
    assert.match(group.node(1).output, /lacks record \d+\.\d+, which was acknowledged/);
    assert.match(await group.unavailable(), /node 1 is there, but has not shown that its log/);
    const asked = await group.kvlab("recover", "zdata1");
    assert.notEqual(asked.exitCode, 0);
    assert.match(asked.stderr, /there were such, up to record \d+ of epoch \d+ at least/);
    const recovered = await group.kvlab("recover", "zdata1", "--accept-data-loss", "--yes");
    assert.equal(recovered.exitCode, 0, recovered.stderr);
    assert.deepEqual(await group.lost(20), []);
    await group.node(1).stop();
    await group.node(1).start();
    assert.deepEqual(await group.lost(20), [], "what was recovered is the group's log from then on");
  });
});

test("a client that outlives its cluster's data goes on with the next", { timeout }, async () => {
  const group = await OneGroup.make(folder, zookeeper.connectString, "g");
  const other = await startZooKeeper();
  try {
    await group.start();
    // The epochs of the first are ahead of those of the second.
    for (const place of [1, 2]) {
      await group.node(place).stop();
      await group.node(place).start();
      await group.untilInSync([1, 2]);
    }
    await group.put(5);
    const scan = group.client.scan();
    for await (const _ of scan);
    const token = scan.watchToken;
    await Promise.all([group.router, group.node(1), group.node(2)].map((server) => server.stop()));
    const next = group.again(`${other.connectString}/g`);
    await rm(group.log(1));
    await rm(group.log(2));
    for (const server of next.slice(0, 3)) await server.start();
    await until("the client reads and writes in the new cluster", 20_000, async () => {
      await group.client.put("key-0", "new", { deadlineMs: 2000 }).catch(() => {});
      return (await group.client.get("key-0", { deadlineMs: 2000 }).catch(() => undefined))?.text() === "new";
    });
    // Its positions may exist here, too, but they are of another history.
    await assert.rejects(group.client.watch({ after: token })[Symbol.asyncIterator]().next(), {
      code: "history-lost",
    });
    await Promise.all(next.map((server) => server.kill()));
  } finally {
    await group.close();
    await other.close();
  }
});
