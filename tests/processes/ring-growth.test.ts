import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { KvClient } from "../../src/client/index.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { assertPlaced, hasRing } from "../support/placed-keys.ts";
import { makeProcessCluster } from "../support/process-cluster.ts";
import { PythonProgram, writeDescriptors } from "../support/python-program.ts";
import { RecordedWrites, redirectedWriter, ToldEvents, writerOver } from "../support/recorded-writes.ts";
import { RedirectedCalls } from "../support/redirected-calls.ts";
import { runProgram } from "../support/run-program.ts";
import { until } from "../support/until.ts";

// The original's scenario, grown: a third group enters, one leaves, the virtual nodes change, all of it under load. One
// test continues where the one before has ended.

const timeout = 120_000;
const folder = await mkdtemp(join(tmpdir(), "kvlab-growth-"));
const descriptors = join(folder, "schema.binpb");
await writeDescriptors(descriptors);
const transports = createTransports();
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await makeProcessCluster();
await cluster.startAll();
const [router = assert.fail(), other = assert.fail()] = cluster.routers;
const routers = cluster.routers.map(({ address }) => address);
const kv = new KvClient({ routers });
const routed = new KvClient({ routers, direct: false });

const writes = new RecordedWrites();
const redirected = new RedirectedCalls(transports, cluster.nodes[0]?.address ?? "");
const writers = [kv, kv, kv, routed].map(writerOver).concat(redirectedWriter(redirected));
const stable = keysOf("kept", 20);
const watches = [kv, routed].flatMap((client) => [
  new ToldEvents(client, {}),
  new ToldEvents(client, {}),
  new ToldEvents(client, { prefix: "kept-1" }),
  new ToldEvents(client, { key: stable[3] ?? "" }),
  new ToldEvents(client, { key: stable[44] ?? "" }),
]);
const pythonWatch = python("watch");
/** By key, the revisions in the order in which Python was told. */
const pythonTold = new Map<string, number[]>();
let followed: Promise<void> | undefined;

after(async () => {
  pythonWatch.kill();
  await writes.end().catch(() => {});
  kv.close();
  routed.close();
  transports.close();
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
});

/** So many keys of each writer. */
function keysOf(name: string, count: number): string[] {
  return writers.flatMap((_, writer) => Array.from({ length: count }, (_, n) => `${name}-${writer}-${n}`));
}

function python(call: "scan" | "watch"): PythonProgram {
  return new PythonProgram("all-groups.py", [descriptors, other.address, call, ""]);
}

async function followPython(): Promise<void> {
  for (;;) {
    const line = await pythonWatch.next<{ events?: [string, number][] }>();
    if (line === undefined) return;
    if (line.events === undefined) throw new Error(`the watch of Python has ended: ${JSON.stringify(line)}`);
    for (const [key, revision] of line.events) {
      pythonTold.set(key, [...(pythonTold.get(key) ?? []), revision]);
    }
  }
}

/** What a Python program finds in a scan of all groups. */
async function scanByPython(): Promise<string[]> {
  const scan = python("scan");
  scan.tell("go on");
  const found: string[] = [];
  for (;;) {
    const line = await scan.next<{ keys?: string[] }>();
    if (line?.keys === undefined) {
      assert.deepEqual(line, { end: true });
      return found;
    }
    found.push(...line.keys);
  }
}

/** Every key once, in order, and none of those left out that are never deleted. */
async function assertScansShowAll(): Promise<void> {
  const found = await scanByPython();
  assert.deepEqual(found, [...new Set(found)].sort());
  const kept = new Set(stable);
  assert.equal(found.filter((key) => kept.has(key)).length, stable.length);
}

async function kvlab(...args: string[]): Promise<string> {
  const cli = new URL("../../src/cli.ts", import.meta.url);
  const { stdout, stderr, exitCode } = await runProgram(cli, [...args, "--router", router.address]);
  assert.deepEqual([stderr, exitCode], ["", 0]);
  return stdout;
}

/** Waits for `change`, and then for some more writes. Fails as soon as a writer has. */
async function underLoad(change: Promise<unknown>): Promise<void> {
  await Promise.race([change, writes.failed()]);
  const before = writes.count;
  const more = until("the load goes on", 20_000, () => writes.count > before + 100);
  await Promise.race([more, writes.failed()]);
}

test("zdata3, started by one more `bun run src/data.ts`, takes its share of the keys under load", {
  timeout,
}, async () => {
  await Promise.all(watches.map(({ ready }) => ready));
  // The first answer says that all groups are watched.
  await pythonWatch.next();
  followed = followPython();
  followed.catch(() => {});
  await Promise.all(
    writers.map((writer, index) => {
      const own = [...stable, ...keysOf("deleted", 4)].filter((key) => key.split("-")[1] === `${index}`);
      return writes.begin(writer, own);
    }),
  );
  const added = await cluster.dataNode("zdata3");
  await added.start();
  const grown = cluster.topologyOf(router, "zdata3 is in the ring", (topology) =>
    hasRing(["zdata1", "zdata2", "zdata3"], topology),
  );
  await underLoad(Promise.all([grown, assertScansShowAll()]));
  const ring = JSON.parse(await kvlab("ring", "--json"));
  const third = ring.groups.find(({ name }: { name: string }) => name === "zdata3");
  assert.ok(third.place === "in" && third.keys > 0, JSON.stringify(third));
});

test("kvlab ring drain takes a group out under load", { timeout }, async () => {
  const drained = kvlab("ring", "drain", "zdata1", "--watch");
  await underLoad(Promise.all([drained, assertScansShowAll()]));
  assert.match(await drained, /nothing changes any more\n$/);
  await cluster.topologyOf(router, "zdata1 is out of the ring", (given) =>
    hasRing(["zdata2", "zdata3"], given),
  );
});

test("kvlab ring set changes the virtual nodes under load", { timeout }, async () => {
  const changed = kvlab("ring", "set", "--virtual-nodes", "64", "--watch", "--json");
  await underLoad(Promise.all([changed, assertScansShowAll()]));
  const { virtualNodes } = await cluster.topologyOf(router, "nothing changes", (given) =>
    hasRing(["zdata2", "zdata3"], given),
  );
  assert.equal(virtualNodes, 64);
});

test("no call has failed, every key is where the ring says and nowhere else, and every watch was told each change once", {
  timeout,
}, async () => {
  await writes.end();
  assert.ok(redirected.redirects > 0);
  const { values } = writes;
  const counts = await assertPlaced(cluster, router, values.keys());
  assert.equal(counts.get("zdata1"), 0);
  const ring = JSON.parse(await kvlab("ring", "--json"));
  assert.equal(ring.change, undefined);
  for (const { name, keys } of ring.groups) assert.equal(keys, counts.get(name), name);
  for (const [key, value] of values) assert.equal((await kv.get(key))?.text(), value, key);
  assert.deepEqual(await scanByPython(), [...values.keys()].sort());

  const { written } = writes;
  await until("all watches were told everything", 20_000, () =>
    watches.every((watch) => watch.isComplete(written)),
  );
  for (const watch of watches) watch.assertIs(written);
  const revisions = new Map([...written].map(([key, list]) => [key, list.map(({ revision }) => revision)]));
  const toldAll = until("Python was told everything", 20_000, () =>
    [...revisions].every(([key, list]) => (pythonTold.get(key)?.length ?? 0) >= list.length),
  );
  await Promise.race([toldAll, followed]);
  assert.deepEqual(sorted(pythonTold), sorted(revisions));
});

function sorted(map: ReadonlyMap<string, unknown>): [string, unknown][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
