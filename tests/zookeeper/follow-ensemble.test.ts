import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ZooKeeper } from "../../src/zookeeper/index.ts";
import { JuteWriter } from "../../src/zookeeper/wire/jute.ts";
import { type FakeClient, startFakeZooKeeper } from "../support/fake-zookeeper.ts";
import { inState } from "../support/zookeeper-clients.ts";

const [EXISTS, GET, CLOSE] = [3, 4, -11];
const [NO_NODE, NO_AUTH] = [-101, -102];
const CONFIG_PATH = "/zookeeper/config";
const SESSION_TIMEOUT_MS = 20_000;
const WATCHED = 1;

const writeStat = (writer: JuteWriter) =>
  writer.long(1n).long(1n).long(0n).long(0n).int(0).int(0).int(0).long(0n).int(0).int(0).long(1n);

const memberAt = (address: string) => `server.2=127.0.0.1:1:2:participant;${address}\nversion=100000000`;

/** Waits for a read of the configuration that sets a watch. Resolves with its xid. Errors: when another request comes. */
async function configRead(client: FakeClient): Promise<number> {
  const { xid, type, body } = await client.request();
  assert.deepEqual([type, body.string(), Number(body.bool())], [GET, CONFIG_PATH, WATCHED]);
  return xid;
}

function sendConfig(client: FakeClient, xid: number, config: string): void {
  client.reply(xid, 0, (writer) => writeStat(writer.bytes(Buffer.from(config))));
}

function tellChanged(client: FakeClient): void {
  const [event, changed, connected] = [-1, 3, 3];
  const writer = new JuteWriter().int(event).long(-1n).int(0).int(changed).int(connected);
  client.send(writer.string(CONFIG_PATH).packet());
}

/** Serves one client to its end; nothing exists here. */
async function serve(client: FakeClient): Promise<void> {
  for (;;) {
    const { xid, type } = await client.request();
    if (type === EXISTS || type === GET) client.reply(xid, NO_NODE);
    if (type !== CLOSE) continue;
    client.reply(xid, 0);
    client.disconnect();
    return;
  }
}

/** Whom `first` tells of a second server, which serves. Resolves when the client has gone there, in the same session. */
async function movesAway(first: (client: FakeClient, second: string) => Promise<void>): Promise<void> {
  const second = await startFakeZooKeeper(async (client) => {
    const { sessionId } = await client.welcome(SESSION_TIMEOUT_MS);
    assert.equal(sessionId, 0x1234n);
    await serve(client);
  });
  const told = Promise.withResolvers<void>();
  const old = await startFakeZooKeeper(async (client) => {
    await client.welcome(SESSION_TIMEOUT_MS);
    await first(client, second.address);
    told.resolve();
    await serve(client);
  });
  try {
    const client = await ZooKeeper.connect({ servers: `${old.address}/app`, followEnsemble: true });
    await told.promise;
    // Its answer follows that of the last read of the configuration.
    await client.exists("/a");
    const gone = inState(client, "disconnected");
    await old.close();
    await gone;
    assert.equal(await client.exists("/a"), undefined);
    await client.close();
  } finally {
    await old.close();
    await second.close();
  }
}

describe("ZooKeeper client that follows its ensemble", { timeout: 60_000 }, () => {
  it("goes to a member that it was not given, in the same session", { timeout: 20_000 }, () =>
    movesAway(async (client, second) => {
      sendConfig(client, await configRead(client), memberAt(second));
    }),
  );

  it("reads the configuration again when it has changed", { timeout: 20_000 }, () =>
    movesAway(async (client, second) => {
      sendConfig(client, await configRead(client), "");
      tellChanged(client);
      sendConfig(client, await configRead(client), memberAt(second));
    }),
  );

  it("works where it may not read the configuration", { timeout: 20_000 }, async () => {
    const fake = await startFakeZooKeeper(async (client) => {
      await client.welcome(SESSION_TIMEOUT_MS);
      client.reply(await configRead(client), NO_AUTH);
      await serve(client);
    });
    try {
      await using client = await ZooKeeper.connect({ servers: fake.address, followEnsemble: true });
      assert.equal(await client.exists("/a"), undefined);
      assert.equal(client.state, "connected");
    } finally {
      await fake.close();
    }
  });
});
