// runtimes: node
import assert from "node:assert/strict";
import { it } from "node:test";
import { openNative } from "../../src/coordination/native/open.ts";
import { JuteWriter } from "../../src/zookeeper/wire/jute.ts";
import { reached, rejectsWith } from "../support/conformance/service.ts";
import { startFakeZooKeeper } from "../support/fake-zookeeper.ts";

/** Long enough that silence, as the fake leaves pings unanswered, shows nothing before the test is over. */
const SESSION_TIMEOUT_MS = 60_000;
const [CREATE, EXISTS] = [1, 3];
const [NO_NODE, SESSION_EXPIRED] = [-101, -112];

it("the native driver takes a refused write for the end of its session, also when reads are still answered", {
  timeout: 20_000,
}, async () => {
  const fake = await startFakeZooKeeper(async (client, connection) => {
    if (connection > 0) {
      await client.packet();
      const expired = new JuteWriter().int(0).int(0).long(0n).bytes(new Uint8Array(16)).bool(false);
      return client.send(expired.packet());
    }
    await client.welcome(SESSION_TIMEOUT_MS);
    for (;;) {
      const { xid, type } = await client.request();
      client.reply(xid, type === EXISTS ? NO_NODE : SESSION_EXPIRED);
    }
  });
  try {
    const session = await openNative({
      connectString: fake.address,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
    })();
    assert.equal(await session.exists("/a"), undefined);
    await rejectsWith(session.create("/a", new Uint8Array(), "ephemeral"), "SESSION_EXPIRED");
    await reached(session, "expired");
    await session.close();
  } finally {
    await fake.close();
  }
});

it("the native driver makes numbered znodes in its own root", { timeout: 20_000 }, async () => {
  const asked: string[] = [];
  const fake = await startFakeZooKeeper(async (client) => {
    await client.welcome(SESSION_TIMEOUT_MS);
    for (;;) {
      const { xid, type, body } = await client.request();
      if (type !== CREATE) {
        client.reply(xid, type === EXISTS ? NO_NODE : 0);
        continue;
      }
      const path = body.string();
      asked.push(path);
      client.reply(xid, 0, (writer) => writer.string(path === "/root" ? path : `${path}0000000007`));
    }
  });
  try {
    const session = await openNative({
      connectString: `${fake.address}/root`,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
    })();
    const path = await session.create("/", new Uint8Array(), "persistent-sequential");
    await session.close();
    assert.deepEqual([asked, path], [["/root", "/root/"], "/0000000007"]);
  } finally {
    await fake.close();
  }
});
