import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import { isWhole, makeProcessCluster, type ProcessCluster } from "../support/process-cluster.ts";
import { assertKept, writeSteadily } from "../support/steady-writes.ts";
import { until } from "../support/until.ts";

// Processes that stand still (SIGSTOP) for longer than anybody waits for them. One test continues where the one
// before has ended.

const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
let cluster: ProcessCluster;

before(
  async () => {
    cluster = await makeProcessCluster({ env: { virtualnodes: "16" } });
    await cluster.startAll();
  },
  { timeout: 60_000 },
);
after(() => cluster.close());

test("a primary that was paused for 9 s answers nothing stale, and never serves beside its successor", {
  timeout: 120_000,
}, async () => {
  const [router = assert.fail()] = cluster.routers;
  const data = cluster.clientOf(router).data;
  const group = "zdata1";
  const located = await Promise.all(keys.map((key) => cluster.clientOf(router).router.locate({ key })));
  const mine = keys.filter((_, index) => located[index]?.group === group);
  const [key = assert.fail(`${group} has a key`)] = mine;
  await data.put({ key, value: { case: "text", value: "0" } }, { timeoutMs: 20_000 });
  const paused = await cluster.primaryOf(group);
  const old = cluster.clientOf(paused).data;
  await old.get({ key });

  paused.signal("SIGSTOP");
  const begun = performance.now();
  // These lie in its sockets when it goes on.
  const asked = [
    ...mine.map((each) => old.get({ key: each }, { timeoutMs: 30_000 })),
    ...mine.map((each) => old.delete({ key: each }, { timeoutMs: 30_000 })),
  ].map((call) =>
    call.then(
      () => "answered",
      (error) => ConnectError.from(error).message,
    ),
  );
  const writes = writeSteadily(mine, { client: () => data });
  await until("9 s are over, and a successor serves", 40_000, () => {
    return performance.now() - begun > 9000 && mine.every((each) => (writes.acknowledged.get(each) ?? 0) > 1);
  });
  paused.signal("SIGCONT");
  const answers = await Promise.all(asked);
  assert.ok(!answers.includes("answered"), answers.join("\n"));

  // From when it goes on until it is in sync again, as a standby.
  let refused = 0;
  await until(`${paused.name} is a standby in sync`, 40_000, async () => {
    await assert.rejects(old.get({ key }), "a second primary has answered a read");
    await assert.rejects(old.put({ key, value: { case: "text", value: "0" } }), "it has taken a write");
    refused++;
    const { topology } = await cluster.clientOf(router).router.getTopology({});
    return topology !== undefined && isWhole(topology);
  });
  assert.ok(refused > 0);
  await writes.end();
  await assertKept(data, writes);
});

test("a master that was paused beyond its session does no harm when it goes on: another is master, and stays it", {
  timeout: 120_000,
}, async () => {
  const [first = assert.fail()] = cluster.routers;
  const before = await cluster.topologyOf(first, "there is a master", ({ routers }) =>
    routers.some(({ number }) => number === 0),
  );
  const address = before.routers.find(({ number }) => number === 0)?.address;
  const paused = cluster.routers.find((router) => router.address === address) ?? assert.fail();
  const [router = assert.fail(), ...others] = cluster.routers.filter((each) => each !== paused);
  const writes = writeSteadily(keys, { client: () => cluster.clientOf(router).data });
  await until("all keys are written", 20_000, () => writes.acknowledged.size === keys.length);

  paused.signal("SIGSTOP");
  const during = await cluster.topologyOf(router, "another router is master", ({ routers }) =>
    routers.some((each) => each.number === 0 && each.address !== address),
  );
  const master = during.routers.find(({ number }) => number === 0)?.address;
  // The new one looks after the groups, while the old one believes that it does.
  const primary = await cluster.primaryOf("zdata2", router);
  await primary.kill();
  await until("zdata2 has another primary", 30_000, async () => {
    return (await cluster.primaryOf("zdata2", router).catch(() => primary)) !== primary;
  });
  paused.signal("SIGCONT");
  await primary.start();
  for (const each of [router, ...others, paused]) {
    const { routers } = await cluster.topologyOf(each, "all is whole again", isWhole);
    assert.equal(routers.find(({ number }) => number === 0)?.address, master);
  }
  await writes.end();
  for (const each of cluster.routers) await assertKept(cluster.clientOf(each).data, writes);
});
