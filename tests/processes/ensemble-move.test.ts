import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { ZooKeeper } from "../../src/zookeeper/index.ts";
import { freePorts } from "../support/free-ports.ts";
import { reconfigured } from "../support/reconfigured.ts";
import { ServerProcess } from "../support/server-process.ts";
import { assertKept, writeSteadily, written } from "../support/steady-writes.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

/** So long that no session ends just because the machine is busy. */
const sessionTimeoutMs = 10_000;
const keys = Array.from({ length: 8 }, (_, index) => `key-${index}`);

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper({ members: 3, spare: 3 });
const folder = await mkdtemp(join(tmpdir(), "kvlab-ensemble-move-"));
const transports = createTransports({ connectTimeoutMs: 1000 });
const { members: oldMembers, spare: newMembers } = zookeeper;
const [routerPort = 0, ...dataPorts] = await freePorts(3);
const common = { zooaddr: zookeeper.connectString, sessiontimeoutms: `${sessionTimeoutMs}` };
const router = new ServerProcess("router", "router", routerPort, common);
const nodes = dataPorts.map((port, index) => {
  const files = { dbfile: join(folder, `${index}.db`), rbfile: join(folder, `${index}.rb`) };
  return new ServerProcess(`data ${index}`, "data", port, { ...common, ...files, name: "zdata1" });
});
after(async () => {
  await Promise.all([router, ...nodes].map((server) => server.kill()));
  transports.close();
  await zookeeper.close();
  await rm(folder, { recursive: true, force: true });
});

/** Path and session of each ephemeral znode of the router and the nodes. */
async function registrations(client: ZooKeeper): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const parent of ["/server", "/data/zdata1"]) {
    const { children } = await client.children(parent);
    for (const name of children.filter((child) => /^\d+$/.test(child))) {
      const path = `${parent}/${name}`;
      const { ephemeralOwner } = (await client.exists(path)) ?? assert.fail(path);
      found.set(path, ephemeralOwner.toString(16));
    }
  }
  return found;
}

/** Resolves when each session has read the configuration as it is now: then it watches for the next one. */
async function learned(sessions: readonly string[]): Promise<void> {
  for (const { address } of oldMembers) {
    await using client = await ZooKeeper.connect({ servers: address, sessionTimeoutMs });
    // Now the member has told the watches of before.
    await client.sync();
  }
  await until("all sessions watch the configuration", 60_000, async () => {
    const watches = await Promise.all(oldMembers.map((member) => member.ask("wchp")));
    const watchers = watches.flatMap((each) => {
      const [, ids = ""] = /^\/zookeeper\/config\n((?:\t0x[0-9a-f]+\n)+)/m.exec(`${each}\n`) ?? [];
      return ids.trim().split(/\s+/);
    });
    return sessions.every((id) => watchers.includes(`0x${id}`));
  });
}

/** Reads one znode after another until it is told to end. */
function readSteadily(client: ZooKeeper) {
  const over = new AbortController();
  const reading = (async () => {
    let reads = 0;
    for (; !over.signal.aborted; reads++) {
      await client.exists("/server/0");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return reads;
  })();
  // It is told at the end.
  reading.catch(() => {});
  return {
    async end() {
      over.abort();
      return reading;
    },
  };
}

const clientOf = (server: ServerProcess) => transports.transportTo(server.address);
const routed = createClient(DataService, clientOf(router));

// One test continues where the one before has ended.

test("an ensemble moves to other servers under load: no call fails, and no session is lost", {
  timeout: 120_000,
}, async () => {
  await Promise.all([...nodes, router].map((server) => server.start()));
  const connect = () =>
    ZooKeeper.connect({ servers: zookeeper.connectString, sessionTimeoutMs, followEnsemble: true });
  await using client = await connect();
  await using operator = await connect();
  const writes = writeSteadily(keys, { client: () => routed });
  const reads = readSteadily(client);
  await written(writes, keys);
  const before = await registrations(client);
  assert.equal(before.size, 3);

  await Promise.all(newMembers.map((member) => member.start()));
  await reconfigured(operator, { joining: newMembers.map(({ definition }) => definition) });
  const sessions = [...before.values(), client.sessionId.toString(16)];
  await learned(sessions);
  await written(writes, keys);
  await reconfigured(operator, { leaving: [1, 2, 3] });
  await Promise.all(oldMembers.map((member) => member.stop()));
  await until("all sessions are with the new members", 60_000, async () => {
    const connections = (await Promise.all(newMembers.map((member) => member.ask("cons")))).join("\n");
    return sessions.every((id) => connections.includes(`sid=0x${id}`));
  });
  assert.deepEqual(await registrations(client), before);
  await written(writes, keys);
  await writes.end();
  assert.deepEqual(writes.errors.map(String), []);
  assert.ok((await reads.end()) > 0);
});

test("a primary that dies afterwards is replaced, as the new members say", { timeout: 60_000 }, async () => {
  const { topology } = await createClient(RouterService, clientOf(router)).getTopology({});
  const primary = topology?.groups[0]?.nodes.find(({ role }) => role === NodeRole.PRIMARY);
  const writes = writeSteadily(keys, { client: () => routed });
  await written(writes, keys);
  await (nodes.find(({ address }) => address === primary?.address) ?? assert.fail()).kill();
  await written(writes, keys);
  await writes.end();
  await assertKept(routed, writes);
});
