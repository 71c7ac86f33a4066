// runtimes: bun
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { AdminService, type GetRingResponse } from "../../gen/kvlab/v1/admin_pb.ts";
import { KvClient } from "../../src/client/index.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { makeProcessCluster } from "../support/process-cluster.ts";
import { runProgram } from "../support/run-program.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";

// A group whose only disk dies while its keys move: docs/ring.md, "A group that dies for good in the middle". Each group has
// one node. One test continues where the one before has ended.

const timeout = 120_000;
const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`);
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await makeProcessCluster({ env: { virtualnodes: "16", newgroups: "wait" } });
const [router = assert.fail()] = cluster.routers;
const [first = assert.fail(), , second = assert.fail()] = cluster.nodes;
const third = await cluster.dataNode("zdata3");
// The first ring is made of the groups that are there.
await Promise.all([first, second].map((server) => server.start()));
await router.start();
const transports = createTransports();
const admin = createClient(AdminService, transports.transportTo(router.address));
const kv = new KvClient({ routers: [router.address] });

after(async () => {
  kv.close();
  transports.close();
  await cluster.close();
});

async function kvlab(...args: string[]): Promise<string> {
  const cli = new URL("../../src/cli.ts", import.meta.url);
  const { stdout, stderr, exitCode } = await runProgram(cli, [...args, "--router", router.address]);
  assert.deepEqual([stderr, exitCode], ["", 0]);
  return stdout;
}

async function ringIs(what: string, wanted: (ring: GetRingResponse) => boolean): Promise<void> {
  await until(what, 60_000, async () => wanted(await admin.getRing({})));
}

/** Waits until keys of a move have been copied, but not all. */
async function untilCopying(from: string, to: string): Promise<void> {
  await ringIs(`keys move from ${from} to ${to}`, ({ progress }) => {
    const move = progress?.moves.find((each) => each.from === from && each.to === to);
    return (move?.progress?.keys ?? 0n) > 0n;
  });
}

/** The group of each key. */
async function placed(): Promise<Map<string, string>> {
  const places = await Promise.all(keys.map(async (key) => [key, (await kv.locate(key)).group] as const));
  return new Map(places);
}

/** The disk of a group's only node dies, and a new node with an empty one comes in its place. */
async function lose(group: string, lost: ServerProcess): Promise<ServerProcess> {
  await lost.kill();
  const next = await cluster.dataNode(group);
  await next.start();
  return next;
}

async function recover(group: string): Promise<void> {
  await until(`${group} is recovered`, 30_000, () =>
    admin.recover({ group, acceptDataLoss: true }).then(
      () => true,
      () => false,
    ),
  );
}

/** What is left of these keys. */
async function found(wanted: Iterable<string>): Promise<string[]> {
  const values = await Promise.all([...wanted].map(async (key) => [key, await kv.get(key)] as const));
  return values.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value.text()}`]));
}

let firstOfNow = first;

test("a source that is lost goes on empty when it is recovered, and the change goes on by itself", {
  timeout,
}, async () => {
  for (const key of keys) await kv.put(key, "1");
  const before = await placed();
  assert.deepEqual(new Set(before.values()), new Set(["zdata1", "zdata2"]));
  await third.start();
  await until("zdata3 can enter", 30_000, async () =>
    (await admin.getRing({})).groups.some(({ name, keys }) => name === "zdata3" && keys !== undefined),
  );
  await kvlab("ring", "add", "zdata3", "--rate", "5");
  await untilCopying("zdata1", "zdata3");
  firstOfNow = await lose("zdata1", firstOfNow);
  await until("kvlab ring says what it waits for", 30_000, async () =>
    (await kvlab("ring")).includes("warning: no keys can move from or to zdata1: "),
  );
  await recover("zdata1");
  await kvlab("ring", "resume", "--rate", "0");
  await ringIs("the change ends", ({ progress }) => progress === undefined);
  const kept = keys.filter((key) => before.get(key) === "zdata2");
  assert.deepEqual(
    await found(keys),
    kept.map((key) => `${key}=1`),
  );
});

test("a destination that is lost gets the keys anew when it is recovered, and no key of another group is lost", {
  timeout,
}, async () => {
  for (const key of keys) await kv.put(key, "2");
  const before = await placed();
  assert.ok([...before.values()].includes("zdata3"));
  await kvlab("ring", "drain", "zdata3", "--rate", "5");
  await untilCopying("zdata3", "zdata1");
  firstOfNow = await lose("zdata1", firstOfNow);
  await recover("zdata1");
  await kvlab("ring", "resume", "--rate", "0");
  await ringIs("the change ends", ({ progress }) => progress === undefined);
  const kept = keys.filter((key) => before.get(key) !== "zdata1");
  assert.deepEqual(
    await found(keys),
    kept.map((key) => `${key}=2`),
  );
  assert.deepEqual(new Set((await placed()).values()), new Set(["zdata1", "zdata2"]));
});
