import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { OutcomeUnknownSchema, WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { isWhole, makeProcessCluster } from "../support/process-cluster.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";

// The scenario of the original program's description. One test continues where the one before has ended.

const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`);
/** What has been acknowledged. */
const expected = new Map<string, string>();
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await makeProcessCluster();
await cluster.startAll();
after(() => cluster.close());

/** Puts until it is acknowledged: that may take two times, when the primary was killed under the first. */
async function put(router: ServerProcess, key: string, text: string): Promise<void> {
  for (;;) {
    try {
      await cluster
        .clientOf(router)
        .data.put({ key, value: { case: "text", value: text } }, { timeoutMs: 20_000 });
      expected.set(key, text);
      return;
    } catch (error) {
      if (ConnectError.from(error).findDetails(OutcomeUnknownSchema).length === 0) throw error;
    }
  }
}

async function get(router: ServerProcess, key: string): Promise<string | undefined> {
  const { value } = await cluster.clientOf(router).data.get({ key }, { timeoutMs: 20_000 });
  return value.case === "text" ? value.value : undefined;
}

async function groupOf(key: string): Promise<string> {
  const router = cluster.routers.find(({ isRunning }) => isRunning) ?? assert.fail("a router runs");
  return (await cluster.clientOf(router).router.locate({ key })).group;
}

async function keysOf(group: string): Promise<string[]> {
  const groups = await Promise.all(keys.map(groupOf));
  return keys.filter((_, index) => groups[index] === group);
}

async function assertAllThere(router: ServerProcess): Promise<void> {
  const found = await Promise.all([...expected.keys()].map((key) => get(router, key)));
  assert.deepEqual(found, [...expected.values()]);
}

test("every router locates every key, and takes reads and writes for it", { timeout: 60_000 }, async () => {
  for (const [index, key] of keys.entries()) {
    const router = cluster.routers[index % 3] ?? assert.fail();
    await put(router, key, `value of ${key}`);
  }
  for (const router of cluster.routers) await assertAllThere(router);
  const located = await Promise.all(
    cluster.routers.map((router) =>
      Promise.all(keys.map((key) => cluster.clientOf(router).router.locate({ key }))),
    ),
  );
  const [first, ...others] = located.map((list) => list.map(({ group, address }) => ({ group, address })));
  for (const other of others) assert.deepEqual(other, first);
  assert.equal(new Set(first?.map(({ group }) => group)).size, 2);
});

test("a data node names the right address for a key that it does not serve", {
  timeout: 60_000,
}, async () => {
  const key = (await keysOf("zdata2"))[0] ?? assert.fail("zdata2 has a key");
  const wrong = await cluster.primaryOf("zdata1");
  const error = await cluster
    .clientOf(wrong)
    .data.get({ key })
    .then(
      () => assert.fail("it was answered"),
      (reason) => ConnectError.from(reason),
    );
  assert.equal(error.code, Code.FailedPrecondition);
  const [detail] = error.findDetails(WrongNodeSchema);
  assert.equal(detail?.group, "zdata2");
  assert.equal(detail?.address, (await cluster.primaryOf("zdata2")).address);
});

test("kill -9 the master: another takes its place, and all routers locate all keys throughout", {
  timeout: 90_000,
}, async () => {
  const topology = await cluster.topologyOf(
    cluster.routers[0] ?? assert.fail(),
    "there is a master",
    (given) => given.routers.some(({ number }) => number === 0),
  );
  const address = topology.routers.find(({ number }) => number === 0)?.address;
  const master =
    cluster.routers.find((router) => router.address === address) ?? assert.fail("the master runs");
  const others = cluster.routers.filter((router) => router !== master);
  let over = false;
  let answers = 0;
  const asking = others.map(async (router) => {
    while (!over) {
      for (const key of keys) {
        const { group, address: primary } = await cluster.clientOf(router).router.locate({ key });
        assert.ok(group !== "" && primary !== "");
        answers++;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  await master.kill();
  for (const router of others) {
    await cluster.topologyOf(router, "another router is master", (given) =>
      given.routers.some(({ number, address: place }) => number === 0 && place !== address),
    );
  }
  over = true;
  await Promise.all(asking);
  assert.ok(answers > keys.length);
  await assertAllThere(others[0] ?? assert.fail());
  await master.start();
  for (const router of cluster.routers) await cluster.topologyOf(router, "all is whole again", isWhole);
});

test("kill -9 a primary: the standby takes over with every acknowledged key", {
  timeout: 90_000,
}, async () => {
  const [router = assert.fail()] = cluster.routers;
  const primary = await cluster.primaryOf("zdata1");
  const mine = await keysOf("zdata1");
  await primary.kill();
  // These wait for the failover, within their deadline.
  for (const key of mine.slice(0, 3)) await put(router, key, "written after the failover");
  assert.notEqual((await cluster.primaryOf("zdata1")).name, primary.name);
  for (const each of cluster.routers) await assertAllThere(each);
  await primary.start();
  await cluster.topologyOf(router, "all is whole again", isWhole);
});

test("kill -9 a standby: writes go on", { timeout: 90_000 }, async () => {
  const [router = assert.fail()] = cluster.routers;
  const primary = await cluster.primaryOf("zdata1");
  const standby = cluster.groups.get("zdata1")?.find((node) => node !== primary) ?? assert.fail();
  await standby.kill();
  for (const key of await keysOf("zdata1")) await put(router, key, "written without the standby");
  await assertAllThere(router);
  await standby.start();
  await cluster.topologyOf(router, "all is whole again", isWhole);
});

test("kill the last node of a group: its keys are unavailable, the others serve; it returns with all its keys", {
  timeout: 90_000,
}, async () => {
  const [router = assert.fail()] = cluster.routers;
  const group = cluster.groups.get("zdata1") ?? assert.fail();
  const mine = await keysOf("zdata1");
  const primary = await cluster.primaryOf("zdata1");
  const standby = group.find((node) => node !== primary) ?? assert.fail();
  await standby.kill();
  for (const key of mine) await put(router, key, "only the last node has this");
  await primary.kill();
  await cluster.topologyOf(router, "zdata1 is down", ({ groups }) =>
    groups.some(({ name, nodes }) => name === "zdata1" && nodes.length === 0),
  );
  for (const key of mine.slice(0, 5)) {
    await assert.rejects(get(router, key), { code: Code.Unavailable });
    assert.equal(await groupOf(key), "zdata1");
  }
  for (const key of await keysOf("zdata2")) assert.equal(await get(router, key), expected.get(key));

  // The one that was away too long comes first, and does not serve what it has missed.
  await standby.start();
  const client = cluster.clientOf(standby).data;
  await assert.rejects(client.get({ key: mine[0] ?? "" }), { code: Code.FailedPrecondition });
  await primary.start();
  await cluster.topologyOf(router, "all is whole again", isWhole);
  await assertAllThere(router);
});

test("stop everything and start it again in any order: every key is there", {
  timeout: 120_000,
}, async () => {
  const { routers, nodes } = cluster;
  const [a, b, c, d] = nodes;
  const [r, s, t] = routers;
  const orders = [
    [r, d, b, s, c, a, t],
    [c, a, d, b, t, s, r],
  ].map((order) => order.filter((server) => server !== undefined));
  for (const [round, order] of orders.entries()) {
    const everything = [...routers, ...nodes];
    // Once as an operator stops it, once as a power cut does.
    await Promise.all(everything.map((server) => (round === 0 ? server.stop() : server.kill())));
    await cluster.startAll(order);
    for (const router of routers) await assertAllThere(router);
  }
});

test("what was deleted stays deleted over a failover", { timeout: 90_000 }, async () => {
  const [router = assert.fail()] = cluster.routers;
  const [key = assert.fail()] = await keysOf("zdata2");
  await cluster.clientOf(router).data.delete({ key });
  expected.delete(key);
  // On a busy machine a standby may just have been too slow to count as in sync.
  await cluster.topologyOf(router, "all is whole", isWhole);
  const primary = await cluster.primaryOf("zdata2");
  // Clients on Deno 2.9 may die of what a server says when it stops (GOAWAY: an assertion of nghttp2): see the README.
  if ("Deno" in globalThis) await primary.kill();
  else await primary.stop();
  await until("the key is known to be gone", 20_000, () =>
    get(router, key).then(
      () => assert.fail("the key is back"),
      (error) => ConnectError.from(error).code === Code.NotFound,
    ),
  );
  await assertAllThere(router);
});
