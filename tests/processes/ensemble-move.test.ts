import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ZooKeeper } from "../../src/zookeeper/index.ts";
import { reconfigured } from "../support/reconfigured.ts";
import { assertKept, writeSteadily, written } from "../support/steady-writes.ts";
import { makeStoreOnEnsemble, sessionTimeoutMs } from "../support/store-on-ensemble.ts";
import { until } from "../support/until.ts";

const keys = Array.from({ length: 8 }, (_, index) => `key-${index}`);

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const store = await makeStoreOnEnsemble(3);
after(() => store.close());
const { zookeeper, routed } = store;
const { members: oldMembers, spare: newMembers } = zookeeper;

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

// One test continues where the one before has ended.

test("an ensemble moves to other servers under load: no call fails, and no session is lost", {
  timeout: 120_000,
}, async () => {
  await store.start();
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
  const writes = writeSteadily(keys, { client: () => routed });
  await written(writes, keys);
  await store.killPrimary();
  await written(writes, keys);
  await writes.end();
  await assertKept(routed, writes);
});
