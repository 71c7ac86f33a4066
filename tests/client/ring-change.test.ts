import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { AdminService, type RingRequest } from "../../gen/kvlab/v1/admin_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { KvClient, type KvEvent } from "../../src/client/index.ts";
import type { Server } from "../../src/server/server.ts";
import { type EmbeddedCluster, startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { until } from "../support/until.ts";

/** What a client sees while the ring changes under it, on a whole cluster. */

const keyCount = 200;
const keys = Array.from({ length: keyCount }, (_, index) => `key-${index}`);
const marker = "the end";

let cluster: EmbeddedCluster;
let client: KvClient;
let routed: KvClient;
let late: Server;

before(async () => {
  cluster = await startEmbeddedCluster({ virtualNodes: 2 });
  const routers = cluster.routers.map(({ address }) => address);
  client = new KvClient({ routers });
  routed = new KvClient({ routers, direct: false });
});

after(async () => {
  client.close();
  routed.close();
  await cluster.close();
});

test("clients write, read, scan and watch on while the ring changes, and notice nothing", async () => {
  for (const key of keys) await client.put(key, "0");
  /** By key: the values in the order in which they were put. */
  const written = new Map(keys.map((key) => [key, [] as string[]]));
  const stopped = new AbortController();
  const watches = [client, routed].flatMap((kv) => [
    { scope: keys, watch: kv.watch() },
    { scope: keys.filter((key) => key.startsWith("key-1")), watch: kv.watch({ prefix: "key-1" }) },
    { scope: ["key-7"], watch: kv.watch({ key: "key-7" }) },
    { scope: ["key-8"], watch: kv.watch({ key: "key-8" }) },
  ]);
  const told = watches.map(({ scope, watch }) => collected(watch, scope));
  await Promise.all(watches.map(({ watch }) => watch.ready()));
  const writing = Promise.all([0, 1, 2, 3].map((worker) => writeOn(worker, written, stopped.signal)));
  const scanning = scanOn(stopped.signal);

  await Promise.all([cluster.add("zdata3"), cluster.add("zdata4")]);
  await changed("the new groups are in the ring", (groups) => groups.size === 4);
  await change({ case: "drain", value: "zdata1" });
  await changed("zdata1 is out of the ring", (groups) => !groups.has("zdata1"));
  await change({ case: "virtualNodes", value: 64 });
  await change({ case: "add", value: "zdata1" });
  await changed("zdata1 is back", (groups) => groups.has("zdata1"));

  stopped.abort();
  await writing;
  assert.ok((await scanning) > 0);
  for (const key of keys) await client.put(key, marker);
  for (const [index, { scope }] of watches.entries()) {
    const events = (await told[index]) ?? [];
    for (const key of scope) {
      const own = events.filter((event) => event.key === key);
      assert.deepEqual(own.map(shown), [...(written.get(key) ?? []), marker], `${key} in watch ${index}`);
      const revisions = own.map(({ revision }) => revision);
      assert.deepEqual(
        revisions,
        [...new Set(revisions)].sort((a, b) => a - b),
        `revisions of ${key}`,
      );
    }
  }
  for (const key of keys) assert.equal((await client.get(key))?.text(), marker);
});

test("a watch goes on after a token from before a move, with what has happened at both groups", async () => {
  for (const key of keys) await client.put(key, "before");
  const scan = client.scan({ keysOnly: true });
  for await (const _ of scan);
  const token = scan.watchToken;
  assert.ok(token !== undefined);
  for (const key of keys) await client.put(key, "1");
  late = await cluster.add("zdata5");
  await changed("zdata5 is in the ring", (groups) => groups.has("zdata5"));
  for (const key of keys) await client.put(key, "2");
  for (const key of keys) await client.put(key, marker);
  for (const kv of [client, routed]) {
    const events = await collected(kv.watch({ after: token }), keys);
    for (const key of keys) {
      assert.deepEqual(events.filter((event) => event.key === key).map(shown), ["1", "2", marker], key);
    }
  }
});

test("a watch goes on after a token that names a removed group if it was told all of that, and else the history is lost", async () => {
  const scan = client.scan({ keysOnly: true });
  for await (const _ of scan);
  const early = scan.watchToken ?? assert.fail();
  for (const key of keys) await client.put(key, marker);
  const token = (await collected(client.watch({ after: early }), keys)).at(-1)?.token ?? assert.fail();
  await change({ case: "drain", value: "zdata5" });
  await changed("zdata5 is out of the ring", (groups) => !groups.has("zdata5"));
  await late.stop();
  await until("zdata5 is removed", 60_000, () => removed("zdata5"));
  // One of that name that comes later is another group.
  await cluster.add("zdata5");
  await changed("another zdata5 is in the ring", (groups) => groups.has("zdata5"));
  for (const key of keys) await client.put(key, marker);
  for (const kv of [client, routed]) {
    const events = await collected(kv.watch({ after: token }), keys);
    assert.deepEqual(events.map(({ key }) => key).sort(), [...keys].sort());
    await assert.rejects(collected(kv.watch({ after: early }), keys), {
      code: "history-lost",
      message: /group "zdata5" was removed/,
    });
  }
});

/** Writes to its own keys, one after another. No write may fail. */
async function writeOn(worker: number, written: Map<string, string[]>, signal: AbortSignal): Promise<void> {
  for (let round = 1; !signal.aborted; round++) {
    for (let index = worker; index < keyCount && !signal.aborted; index += 4) {
      const key = keys[index] ?? "";
      const value = `${round}`;
      await client.put(key, value);
      written.get(key)?.push(value);
      assert.equal((await client.get(key))?.text(), value);
    }
  }
}

/** Scans all keys, over and over: each scan has each key once. Returns how often. */
async function scanOn(signal: AbortSignal): Promise<number> {
  let scans = 0;
  for (; !signal.aborted; scans++) {
    const found: string[] = [];
    for await (const { key } of [client, routed][scans % 2]?.scan({ keysOnly: true }) ?? []) found.push(key);
    assert.deepEqual(found, [...keys].sort());
  }
  return scans;
}

/** The events of a watch, up to the marker of each of these keys. */
async function collected(watch: AsyncIterable<KvEvent>, scope: readonly string[]): Promise<KvEvent[]> {
  const events: KvEvent[] = [];
  const awaited = new Set(scope);
  for await (const event of watch) {
    events.push(event);
    if (shown(event) === marker) awaited.delete(event.key);
    if (awaited.size === 0) break;
  }
  return events;
}

function shown(event: KvEvent): string {
  return event.type === "put" ? event.text() : event.type;
}

async function change(request: RingRequest["change"]): Promise<void> {
  const [router] = cluster.routers;
  const admin = createClient(AdminService, cluster.transports.transportTo(router?.address ?? ""));
  await admin.changeRing({ request: { change: request } });
}

/** Whether a group could be removed: routers learn in their time that its nodes are gone. */
async function removed(group: string): Promise<boolean> {
  const [router] = cluster.routers;
  const admin = createClient(AdminService, cluster.transports.transportTo(router?.address ?? ""));
  return await admin.removeGroup({ group }).then(
    () => true,
    () => false,
  );
}

/** Waits until no change of the ring is under way, and the ring has groups as wanted. */
async function changed(what: string, wanted: (groups: ReadonlySet<string>) => boolean): Promise<void> {
  const [router] = cluster.routers;
  const calls = createClient(RouterService, cluster.transports.transportTo(router?.address ?? ""));
  await until(what, 60_000, async () => {
    const { topology } = await calls.getTopology({});
    if (topology === undefined || topology.change !== undefined) return false;
    return wanted(new Set(topology.groups.filter(({ share }) => share > 0).map(({ name }) => name)));
  });
}
