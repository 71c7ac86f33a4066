import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import {
  acquireLock,
  type Held,
  tryLock,
  ZooKeeper,
  ZooKeeperError,
  type ZooKeeperErrorCode,
} from "../../../../src/zookeeper/index.ts";
import { failReads, loseAnswers } from "../../../support/lost-answers.ts";
import { failure, inState, withClients } from "../../../support/zookeeper-clients.ts";
import { hasChildren, queued } from "../queued.ts";

/** Resolves with the reason when the signal of a holder is aborted. */
async function lost({ signal }: Held): Promise<ZooKeeperError> {
  if (!signal.aborted) await once(signal, "abort");
  assert.ok(ZooKeeperError.is(signal.reason));
  return signal.reason;
}

/** Fails the next deletes of a client with these codes, in turn. */
function failDeletes(client: ZooKeeper, ...codes: ZooKeeperErrorCode[]): void {
  const original = client.delete.bind(client);
  const failing = async (...args: Parameters<typeof original>): Promise<void> => {
    const code = codes.shift();
    if (code !== undefined) throw new ZooKeeperError(code, "delete: failed in a test");
    return original(...args);
  };
  Object.defineProperty(client, "delete", { value: failing });
}

/** What becomes of locks when connections, answers, sessions or znodes are lost. */
export function lostLockTests(connectString: string): void {
  it(
    "tells a holder that its session is disconnected, long before another one can have the lock",
    {
      timeout: 30_000,
    },
    () =>
      withClients(connectString, async ({ connect, connectThroughProxy }) => {
        const [other, { client, proxy }] = await Promise.all([
          connect(),
          connectThroughProxy({ sessionTimeoutMs: 3000 }),
        ]);
        const held = await acquireLock(client, "/lock");
        const next = acquireLock(other, "/lock");
        await queued(other, "/lock", 2);
        const order: string[] = [];
        held.signal.addEventListener("abort", () => order.push("lost"));
        proxy.setMode("silent");
        const taken = await next;
        order.push("taken");
        await taken.release();
        assert.deepEqual(order, ["lost", "taken"]);
        assert.equal((await lost(held)).code, "CONNECTION_LOSS");
        proxy.setMode("pass");
        await inState(client, "expired");
        await held.release();
        await failure(acquireLock(client, "/lock"), "SESSION_EXPIRED");
        await hasChildren(other, "/lock", 0);
      }),
  );

  it("gives a lock back that may be lost, also when the answer to that is lost", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      const held = await acquireLock(client, "/lock");
      proxy.setMode("cut");
      await lost(held);
      const late = await failure(held.release({ deadlineMs: 20 }), "DEADLINE_EXCEEDED");
      assert.match(late.message, /release \/lock\/.*: it was not done within 20 ms/);
      proxy.setMode("pass");
      await held.release();
      await hasChildren(other, "/lock", 0);
      const again = await acquireLock(client, "/lock");
      proxy.setMode("mute");
      const released = again.release();
      await hasChildren(other, "/lock", 0);
      proxy.setMode("cut");
      proxy.setMode("pass");
      await released;
      await again.release();
    }),
  );

  it("is given back also when the server, or the client, is too busy at first", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const held = await acquireLock(client, "/lock");
      failDeletes(client, "THROTTLED", "OVERLOADED");
      await held.release();
      await hasChildren(other, "/lock", 0);
    }),
  );

  it("is one contender, whether or not the answer to its create is lost", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      await other.createAll("/lock");
      proxy.setMode("mute");
      const acquired = acquireLock(client, "/lock");
      const [name] = await hasChildren(other, "/lock", 1);
      proxy.setMode("cut");
      proxy.setMode("pass");
      const held = await acquired;
      assert.equal(held.path, `/lock/${name}`);
      await hasChildren(other, "/lock", 1);
      await held.release();
      await hasChildren(other, "/lock", 0);
    }),
  );

  it("leaves nothing behind when it gives up without having had an answer", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      await other.createAll("/lock");
      proxy.setMode("mute");
      const giveUp = new AbortController();
      const acquired = acquireLock(client, "/lock", { signal: giveUp.signal });
      await hasChildren(other, "/lock", 1);
      giveUp.abort();
      await failure(acquired, "ABORTED");
      proxy.setMode("cut");
      proxy.setMode("pass");
      await hasChildren(other, "/lock", 0);
      await (await acquireLock(other, "/lock")).release();
    }),
  );

  it("gets a lock that was given back while it was disconnected", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      const held = await acquireLock(other, "/lock");
      const waiting = acquireLock(client, "/lock");
      await queued(other, "/lock", 2);
      await client.sync();
      proxy.setMode("cut");
      await inState(client, "disconnected");
      await held.release();
      proxy.setMode("pass");
      await (await waiting).release();
    }),
  );

  it(
    "fails to wait when its session expires, and another one behind it gets the lock",
    {
      timeout: 30_000,
    },
    () =>
      withClients(connectString, async ({ connect, root }) => {
        const [client, other] = await Promise.all([connect(), connect()]);
        const held = await acquireLock(other, "/lock");
        const waiting = acquireLock(client, "/lock");
        await queued(other, "/lock", 2);
        const behind = acquireLock(other, "/lock");
        await queued(other, "/lock", 3);
        const thief = await ZooKeeper.connect({ servers: connectString + root, resume: client.identity });
        await thief.close();
        await failure(waiting, "SESSION_EXPIRED");
        await held.release();
        await (await behind).release();
      }),
  );

  it("tells a holder whose znode was deleted, and leaves the next one's alone", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const held = await acquireLock(client, "/lock");
      const waiting = acquireLock(client, "/lock");
      await queued(other, "/lock", 2);
      // With all contenders, and the znode above them: the one who waits begins anew.
      await other.deleteAll("/lock");
      assert.equal((await lost(held)).code, "NO_NODE");
      const next = await waiting;
      await held.release();
      await held.release();
      assert.equal(next.signal.aborted, false);
      assert.equal(await tryLock(other, "/lock"), undefined);
      await next.release();
    }),
  );

  it("is one contender when the answer is lost and the next server only reads", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      await other.createAll("/lock");
      loseAnswers(client, "create", "answers");
      failReads(client, "sync", 2, "READ_ONLY");
      const held = await acquireLock(client, "/lock", { deadlineMs: 10_000 });
      await queued(other, "/lock", 1);
      await held.release();
    }),
  );

  it("does not wait past its deadline to take back an attempt that was in vain", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      const held = await acquireLock(other, "/lock");
      const remove = client.delete.bind(client);
      // The connection breaks as the contender is to be deleted.
      const cutBefore = (...args: Parameters<typeof remove>) => {
        proxy.setMode("cut");
        return remove(...args);
      };
      Object.defineProperty(client, "delete", { value: cutBefore, configurable: true });
      await failure(tryLock(client, "/lock", { deadlineMs: 300 }), "DEADLINE_EXCEEDED");
      Object.defineProperty(client, "delete", { value: remove });
      proxy.setMode("pass");
      await queued(other, "/lock", 1);
      await held.release();
    }),
  );
}
