import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isWhole, makeProcessCluster, type ProcessCluster } from "../support/process-cluster.ts";
import { assertKept, writeSteadily } from "../support/steady-writes.ts";
import { until } from "../support/until.ts";

// One test continues where the one before has ended.

/** So long that no session ends just because the machine is busy when ZooKeeper is back. */
const sessionTimeoutMs = 6000;
/** Longer than sessions. */
const outageMs = 15_000;
const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
let cluster: ProcessCluster;

before(
  async () => {
    cluster = await makeProcessCluster({
      env: { virtualnodes: "16", sessiontimeoutms: `${sessionTimeoutMs}` },
    });
    await cluster.startAll();
  },
  { timeout: 60_000 },
);
after(() => cluster.close());

/** Until every key has been written once more and `durationMs` have passed. */
async function writtenFor(
  durationMs: number,
  { acknowledged }: { acknowledged: ReadonlyMap<string, number> },
) {
  const begun = performance.now();
  const before = new Map(acknowledged);
  await until("all keys are written", durationMs + 20_000, () => {
    const advanced = keys.every((key) => (acknowledged.get(key) ?? 0) > (before.get(key) ?? 0));
    return advanced && performance.now() - begun > durationMs;
  });
}

test("writes acknowledged while ZooKeeper was frozen for 3 s survive the loss of the primary right after", {
  timeout: 120_000,
}, async () => {
  const [router = assert.fail()] = cluster.routers;
  const [member = assert.fail()] = cluster.zookeeper.members;
  const primary = await cluster.primaryOf("zdata1");
  const writes = writeSteadily(keys, { client: () => cluster.clientOf(router).data });
  await writtenFor(0, writes);
  member.freeze();
  try {
    await writtenFor(3000, writes);
  } finally {
    member.thaw();
  }
  await primary.kill();
  await writtenFor(0, writes);
  await writes.end();
  for (const each of cluster.routers) await assertKept(cluster.clientOf(each).data, writes);
  await primary.start();
  for (const each of cluster.routers) await cluster.topologyOf(each, "all is whole again", isWhole);
});

test("ZooKeeper stopped beyond all sessions: both groups serve every read and write; then all goes on without a restart", {
  timeout: 150_000,
}, async () => {
  const [router = assert.fail(), other = assert.fail()] = cluster.routers;
  const [member = assert.fail()] = cluster.zookeeper.members;
  const clients = [router, other, ...cluster.routers].map((each) => cluster.clientOf(each).data);
  let next = 0;
  const client = () => clients[next++ % clients.length] ?? assert.fail();
  const writes = writeSteadily(keys, { client });
  await writtenFor(0, writes);
  await member.stop();
  let reads = 0;
  const begun = performance.now();
  while (performance.now() - begun < outageMs) {
    await assertKept(client(), { acknowledged: new Map(writes.acknowledged) });
    reads++;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await writtenFor(0, writes);
  await member.start();
  await writtenFor(0, writes);
  await writes.end();
  assert.deepEqual(writes.errors.map(String), []);
  assert.ok(reads > 0);
  for (const each of cluster.routers) await cluster.topologyOf(each, "all is whole again", isWhole);

  // Those who hold the new sessions take over from each other as before.
  const primary = await cluster.primaryOf("zdata2");
  await primary.kill();
  for (const each of cluster.routers) await assertKept(cluster.clientOf(each).data, writes);
  await primary.start();
  await cluster.topologyOf(router, "all is whole again", isWhole);
});
