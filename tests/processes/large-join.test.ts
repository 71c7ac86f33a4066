// runtimes: bun
// alone: it measures memory, and keeps up a rate of writes
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Client, createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { freePorts } from "../support/free-ports.ts";
import { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

const MIB = 1024 * 1024;
const valueBytes = 64 * 1024;
const loadedBytes = 200 * MIB;
const writesPerSecond = 500;

const transports = createTransports();
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const folder = await mkdtemp(join(tmpdir(), "kvlab-join-"));
const zookeeper = await startZooKeeper();
const [routerPort = 0, ...dataPorts] = await freePorts(3);
// A long lease: the machine may be too busy for a heartbeat in time, and a failover is not what this is about.
const env = {
  zooaddr: zookeeper.connectString,
  sessiontimeoutms: "5000",
  leasems: "3000",
  standbytimeoutms: "5000",
};
const router = new ServerProcess("router", "router", routerPort, env);
const nodes = dataPorts.map((port, index) => {
  const files = { dbfile: join(folder, `db${index}.txt`), rbfile: join(folder, `rb${index}.txt`) };
  return new ServerProcess(`data ${index}`, "data", port, { ...env, name: "zdata1", ...files });
});
after(async () => {
  await Promise.all([router, ...nodes].map((server) => server.kill()));
  transports.close();
  await zookeeper.close();
  await rm(folder, { recursive: true, force: true });
});

/** Resident memory of a process. */
async function residentBytes({ pid }: ServerProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** Greatest growth of a process from now on. */
function watchMemory(server: ServerProcess): { end(): Promise<number> } {
  let over = false;
  const watched = (async () => {
    const before = await residentBytes(server);
    let most = before;
    while (!over) {
      most = Math.max(most, await residentBytes(server));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return most - before;
  })();
  return {
    end() {
      over = true;
      return watched;
    },
  };
}

async function load(client: Client<typeof DataService>): Promise<void> {
  const count = loadedBytes / valueBytes;
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) {
      await client.put({ key: `loaded-${index}`, value: { case: "bytes", value: randomBytes(valueBytes) } });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Puts at a steady rate until told to end; every put must succeed. */
function keepWriting(client: Client<typeof DataService>): { end(): Promise<number> } {
  let over = false;
  const begun = performance.now();
  const writes: Promise<unknown>[] = [];
  const written = (async () => {
    while (!over) {
      const due = ((performance.now() - begun) / 1000) * writesPerSecond;
      while (writes.length < due) {
        const text = `text ${writes.length}`;
        writes.push(
          client.put({ key: `live-${writes.length % 5000}`, value: { case: "text", value: text } }),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(writes);
    return writes.length;
  })();
  return {
    end() {
      over = true;
      return written;
    },
  };
}

test("a standby joins a primary with 200 MB under 500 writes a second; neither grows by 100 MB", {
  timeout: 300_000,
}, async () => {
  const [first = assert.fail(), second = assert.fail()] = nodes;
  await first.start();
  await router.start();
  const client = createClient(DataService, transports.transportTo(first.address));
  await until("the group serves", 30_000, () =>
    client.put({ key: "first", value: { case: "text", value: "" } }).then(
      () => true,
      () => false,
    ),
  );
  await load(client);

  const writing = keepWriting(client);
  await second.start();
  const memory = [watchMemory(first), watchMemory(second)];
  const begun = performance.now();
  await until("the standby is in sync", 200_000, async () => {
    const { standbys } = await client.status({});
    return standbys.some(({ inSync }) => inSync);
  });
  const joinedMs = performance.now() - begun;
  const count = await writing.end();
  const [primaryGrowth = 0, standbyGrowth = 0] = await Promise.all(memory.map((watch) => watch.end()));
  const rounded = [primaryGrowth, standbyGrowth].map((bytes) => Math.round(bytes / MIB));
  console.log(
    `joined in ${Math.round(joinedMs)} ms under ${count} writes; grown by ${rounded.join(" and ")} MiB`,
  );
  assert.ok(primaryGrowth < 100 * MIB, `the primary has grown by ${rounded[0]} MiB`);
  assert.ok(standbyGrowth < 100 * MIB, `the standby has grown by ${rounded[1]} MiB`);

  const standby = createClient(DataService, transports.transportTo(second.address));
  await until("the standby has everything", 30_000, async () => {
    const [a, b] = await Promise.all([client.status({}), standby.status({})]);
    return a.keys === b.keys && a.lastSeq === b.committedSeq;
  });
  // What the standby holds is served by it alone.
  await first.kill();
  await until("the standby serves", 30_000, () =>
    standby.get({ key: "live-0" }).then(
      () => true,
      () => false,
    ),
  );
  for (let index = 0; index < loadedBytes / valueBytes; index += 100) {
    const { value } = await standby.get({ key: `loaded-${index}` });
    assert.equal((value.value as Uint8Array).length, valueBytes);
  }
});
