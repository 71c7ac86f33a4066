import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Coordination, SessionState } from "../../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../../src/coordination/embedded/service.ts";
import { bytes, recordingWatcher, rejectsWith } from "../../support/conformance/service.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const nothing = new Uint8Array();
const SESSION_TIMEOUT_MS = 5000;

async function startService() {
  const clock = new VirtualClock();
  const service = await EmbeddedCoordination.start({ clock, sessionTimeoutMs: SESSION_TIMEOUT_MS });
  const open = service.opener();
  return { clock, service, open };
}

function statesOf(session: Coordination): SessionState[] {
  const states: SessionState[] = [];
  session.onState((state) => states.push(state));
  return states;
}

it("a session of the embedded coordination service makes numbered znodes in its own root", async () => {
  const { service } = await startService();
  const session = await service.opener({ chroot: "/root" })();
  const path = await session.create("/", nothing, "ephemeral-sequential");
  assert.equal(path, "/0000000000");
  assert.equal((await session.get(path)).stat.own, true);
});

describe("the controls of the embedded coordination service", () => {
  it("end a session that has had no connection for its time-out, which it learns when it has one", async () => {
    const { clock, service, open } = await startService();
    const [lost, other] = [await open(), await open()];
    const states = statesOf(lost);
    const { watcher, told } = recordingWatcher();
    await lost.create("/e", nothing, "ephemeral");
    await lost.exists("/e", watcher);
    const gone = recordingWatcher();
    await other.exists("/e", gone.watcher);

    service.disconnect(lost);
    await clock.pass(SESSION_TIMEOUT_MS - 1);
    assert.deepEqual(gone.told, []);
    await clock.pass(1);
    assert.deepEqual(gone.told, ["deleted /e"]);
    assert.equal(lost.state, "disconnected");
    await rejectsWith(lost.get("/e"), "CONNECTION_LOSS");

    service.reconnect(lost);
    assert.deepEqual(states, ["disconnected", "expired"]);
    assert.deepEqual(told, ["session-lost /e"]);
    await rejectsWith(lost.get("/e"), "SESSION_EXPIRED");
  });

  it("keep a session that has its connection back before its time-out", async () => {
    const { clock, service, open } = await startService();
    const session = await open();
    await session.create("/e", nothing, "ephemeral");
    service.disconnect(session);
    await clock.pass(SESSION_TIMEOUT_MS - 1);
    service.reconnect(session);
    await clock.pass(10 * SESSION_TIMEOUT_MS);
    assert.equal(session.state, "connected");
    assert.equal((await session.get("/e")).stat.own, true);
  });

  it("lose a request, which then has not happened, or an answer, when it has", async () => {
    const { service, open } = await startService();
    const session = await open();
    for (const [what, happened] of [
      ["request", false],
      ["answer", true],
    ] as const) {
      const states = statesOf(session);
      service.loseNext(session, what);
      await rejectsWith(session.create(`/${what}`, nothing, "ephemeral"), "CONNECTION_LOSS");
      await rejectsWith(session.exists("/"), "CONNECTION_LOSS");
      service.reconnect(session);
      assert.equal((await session.exists(`/${what}`)) !== undefined, happened);
      assert.deepEqual(states, ["disconnected", "connected"]);
    }
  });

  it("leave what a session asked before its connection broke done, and its caller in doubt", async () => {
    const { service, open } = await startService();
    const session = await open();
    const { watcher, told } = recordingWatcher();
    const creating = rejectsWith(session.create("/a", nothing, "persistent"), "CONNECTION_LOSS");
    const reading = rejectsWith(session.exists("/a", watcher), "CONNECTION_LOSS");
    service.disconnect(session);
    await Promise.all([creating, reading]);
    service.reconnect(session);
    assert.equal((await session.set("/a", bytes("1"), 0)).version, 1);
    assert.deepEqual(told, [], "a read that failed has set no watch");
  });

  it("let a session that closes without a connection keep its znodes until its time-out", async () => {
    const { clock, service, open } = await startService();
    const [session, other] = [await open(), await open()];
    await session.create("/e", nothing, "ephemeral");
    service.disconnect(session);
    await session.close();
    await clock.pass(SESSION_TIMEOUT_MS - 1);
    assert.notEqual(await other.exists("/e"), undefined);
    await clock.pass(1);
    assert.equal(await other.exists("/e"), undefined);
    assert.equal(session.state, "closed");
  });

  it("refuse sessions of others, and new ones once the service is closed", async () => {
    const { service, open } = await startService();
    const foreign = await (await startService()).open();
    const session = await open();
    await service.close();
    assert.equal(session.state, "closed");
    await rejectsWith(open(), "CLOSED");
    assert.throws(() => service.disconnect({ ...foreign }), TypeError);
  });
});

describe("the embedded coordination service", () => {
  it("keeps its own copy of data", async () => {
    const { open } = await startService();
    const session = await open();
    const data = Buffer.from("before");
    await session.create("/d", data, "persistent");
    data.write("after!");
    const read = (await session.get("/d")).data;
    assert.deepEqual(read, bytes("before"));
    read.fill(0);
    assert.deepEqual((await session.get("/d")).data, bytes("before"));
  });

  it("tells a session nothing of what lies beside its root, whatever that is named", async () => {
    const { service, open } = await startService();
    const [inside, beside] = [await service.opener({ chroot: "/kv" })(), await open()];
    await beside.create("/kv2", nothing, "persistent");
    const { watcher, told } = recordingWatcher();
    await inside.exists("/kv2/x", watcher);
    await beside.create("/kv2/x", nothing, "persistent");
    assert.equal(await inside.exists("/kv2/x"), undefined);
    assert.deepEqual(told, []);
  });

  it("refuses data that no ZooKeeper takes", async () => {
    const { open } = await startService();
    const session = await open();
    await rejectsWith(session.create("/d", new Uint8Array(2 ** 20), "persistent"), "BAD_ARGUMENTS");
    await session.create("/d", nothing, "persistent");
    await rejectsWith(session.set("/d", new Uint8Array(2 ** 20), 0), "BAD_ARGUMENTS");
  });

  it("does the same things in the same order in every run", async () => {
    const run = async () => {
      const { clock, service, open } = await startService();
      const sessions = [await open(), await open(), await open()];
      const log: string[] = [];
      for (const [i, session] of sessions.entries()) {
        session.onState((state) => log.push(`${i} ${state}`));
        const again = (event: string) => {
          log.push(`${i} ${event}`);
          session.children("/", again).then(
            (names) => log.push(`${i} sees ${names}`),
            (error) => log.push(`${i} ${error.code}`),
          );
        };
        again("starts");
        session.create("/n-", nothing, "ephemeral-sequential").then(
          (path) => log.push(`${i} made ${path}`),
          (error) => log.push(`${i} ${error.code}`),
        );
      }
      const [first] = sessions;
      if (first !== undefined) service.disconnect(first);
      await clock.pass(2 * SESSION_TIMEOUT_MS);
      if (first !== undefined) service.reconnect(first);
      await clock.pass(1);
      return log;
    };
    const log = await run();
    assert.ok(log.length > 10);
    assert.deepEqual(await run(), log);
  });
});
