import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { defaultValueBytesMax } from "../../src/common/key-limits.ts";
import { isWhole, makeProcessCluster, type ProcessCluster } from "../support/process-cluster.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { assertKept, writeSteadily } from "../support/steady-writes.ts";
import { until } from "../support/until.ts";

// What becomes of the replicas of one group. One test continues where the one before has ended.

const group = "zdata1";
let keys: string[];
let cluster: ProcessCluster;

before(
  async () => {
    cluster = await makeProcessCluster({ env: { virtualnodes: "16" } });
    await cluster.startAll();
    const candidates = Array.from({ length: 40 }, (_, index) => `key-${index}`);
    const { router } = cluster.clientOf(cluster.routers[0] ?? assert.fail());
    const located = await Promise.all(candidates.map((key) => router.locate({ key })));
    keys = candidates.filter((_, index) => located[index]?.group === group).slice(0, 8);
  },
  { timeout: 60_000 },
);
after(() => cluster.close());

function anyRouter() {
  return cluster.clientOf(cluster.routers[0] ?? assert.fail());
}

async function replicas(): Promise<{ primary: ServerProcess; standby: ServerProcess }> {
  const primary = await cluster.primaryOf(group);
  const standby = cluster.groups.get(group)?.find((node) => node !== primary) ?? assert.fail();
  return { primary, standby };
}

async function untilWhole(): Promise<void> {
  for (const router of cluster.routers) await cluster.topologyOf(router, "all is whole", isWhole);
}

test("a standby killed in the middle of writes fails none of them, and has them all when it is back", {
  timeout: 120_000,
}, async () => {
  const { primary, standby } = await replicas();
  const writes = writeSteadily(keys, { client: () => cluster.clientOf(primary).data });
  const advance = async () => {
    const from = new Map(writes.acknowledged);
    await until("all keys are written", 20_000, () =>
      keys.every((key) => (writes.acknowledged.get(key) ?? 0) > (from.get(key) ?? 0) + 5),
    );
  };
  await advance();
  await standby.kill();
  await advance();
  await standby.start();
  await untilWhole();
  await advance();
  await writes.end();
  assert.deepEqual(writes.errors.map(String), []);
  // What the standby has is now served by it alone.
  await primary.kill();
  await assertKept(anyRouter().data, writes);
  await primary.start();
  await untilWhole();
});

test("of writes to both nodes at once only the primary takes any, and both nodes have the same afterwards", {
  timeout: 120_000,
}, async () => {
  const { primary, standby } = await replicas();
  const acknowledged = new Map<string, Set<string>>(keys.map((key) => [key, new Set()]));
  await Promise.all(
    [primary, standby, primary, standby].flatMap((node, client) =>
      keys.map(async (key) => {
        for (let index = 0; index < 20; index++) {
          const value = `${client}-${index}`;
          const put = cluster.clientOf(node).data.put({ key, value: { case: "text", value } });
          if (node === primary) {
            await put;
            if (index === 19) acknowledged.get(key)?.add(value);
            continue;
          }
          const error = await put.then(() => assert.fail("the standby has taken a write"), ConnectError.from);
          assert.equal(error.findDetails(WrongNodeSchema)[0]?.address, primary.address);
        }
      }),
    ),
  );
  const read = () =>
    Promise.all(
      keys.map(async (key) => (await anyRouter().data.get({ key }, { timeoutMs: 20_000 })).value.value),
    );
  const values = await read();
  for (const [index, key] of keys.entries()) assert.ok(acknowledged.get(key)?.has(`${values[index]}`));
  await primary.kill();
  assert.deepEqual(await read(), values);
  await primary.start();
  await untilWhole();
});

test("a standby that has missed more than 4 MiB catches up, values of the largest size among them", {
  timeout: 150_000,
}, async () => {
  const { primary, standby } = await replicas();
  const sizes = [defaultValueBytesMax, defaultValueBytesMax, ...keys.slice(2).map(() => 512 * 1024)];
  const values = sizes.map((size) => randomBytes(size));
  await standby.kill();
  const { data } = anyRouter();
  for (const [index, key] of keys.entries()) {
    const value = { case: "bytes", value: values[index] ?? assert.fail() } as const;
    await data.put({ key, value }, { timeoutMs: 20_000 });
  }
  await standby.start();
  await untilWhole();
  await primary.kill();
  for (const [index, key] of keys.entries()) {
    const { value } = await data.get({ key }, { timeoutMs: 20_000 });
    assert.ok(values[index]?.equals(value.value as Uint8Array), key);
  }
  await primary.start();
  await untilWhole();
});

test("after a full stop, a standby that has missed writes serves nothing until the one that has them is back", {
  timeout: 150_000,
}, async () => {
  const { primary, standby } = await replicas();
  const { data } = anyRouter();
  const putAll = async (value: string) => {
    for (const key of keys) await data.put({ key, value: { case: "text", value } }, { timeoutMs: 20_000 });
  };
  await putAll("both have this");
  await standby.kill();
  await putAll("only the primary has this");
  const everything = [...cluster.routers, ...cluster.nodes].filter(({ isRunning }) => isRunning);
  await Promise.all(everything.map((server) => server.kill()));

  const late = primary;
  const early = [standby, ...everything.filter((server) => server !== late)];
  for (const server of early) {
    server.launch();
    await server.says("registered as");
  }
  // The other group serves: nothing is missing but what the stale one has not.
  await cluster.topologyOf(cluster.routers[0] ?? assert.fail(), "zdata2 is up", ({ groups }) =>
    groups.some(({ name, nodes }) => name === "zdata2" && nodes.every(({ inSync }) => inSync)),
  );
  for (const key of keys.slice(0, 3)) {
    await assert.rejects(cluster.clientOf(standby).data.get({ key }), { code: Code.FailedPrecondition });
    await assert.rejects(data.get({ key }, { timeoutMs: 500 }));
  }
  await late.start();
  await untilWhole();
  for (const key of keys) {
    const { value } = await data.get({ key }, { timeoutMs: 20_000 });
    assert.equal(value.value, "only the primary has this");
  }
});
