import assert from "node:assert/strict";
import { it } from "node:test";
import {
  acquireLease,
  acquireLock,
  acquireReadLock,
  acquireWriteLock,
  lockContenders,
  tryLock,
} from "../../../../src/zookeeper/index.ts";
import { queueOf } from "../../../../src/zookeeper/recipes/contenders.ts";
import { shareWatch } from "../../../../src/zookeeper/recipes/shared-watches.ts";
import { failReads } from "../../../support/lost-answers.ts";
import { until } from "../../../support/until.ts";
import { failure, withClients } from "../../../support/zookeeper-clients.ts";
import { fourLetterWord } from "../../../support/zookeeper-member.ts";
import { hasChildren, queued } from "../queued.ts";

/** Who gets a lock, and when. */
export function lockTests(connectString: string): void {
  it(
    "gives a lock to one at a time, in the order in which they came, with rising tokens",
    {
      timeout: 30_000,
    },
    () =>
      withClients(connectString, async ({ connect }) => {
        const clients = [await connect(), await connect()];
        const [client] = clients;
        assert.ok(client);
        const order: string[] = [];
        let inside = 0;
        let lastToken = 0n;
        const first = await acquireLock(client, "/a/lock");
        const waiting: Promise<void>[] = [];
        for (let index = 0; index < 6; index++) {
          const identifier = `${index}`;
          const acquired = acquireLock(clients[index % 2] ?? client, "/a/lock", { identifier });
          waiting.push(
            acquired.then(async (held) => {
              assert.equal(++inside, 1);
              assert.ok(held.fencingToken > lastToken && held.fencingToken > first.fencingToken);
              lastToken = held.fencingToken;
              order.push(identifier);
              await client.exists(held.path);
              inside--;
              await held.release();
              assert.ok(held.signal.aborted, "what is released is not held");
            }),
          );
          await queued(client, "/a/lock", index + 2);
        }
        await first.release();
        await Promise.all(waiting);
        assert.deepEqual(order, ["0", "1", "2", "3", "4", "5"]);
        await hasChildren(client, "/a/lock", 0);
      }),
  );

  it("wakes one of those who wait, as each watches the one before it", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, root }) => {
      const clients = await Promise.all([connect(), connect(), connect(), connect()]);
      const [client] = clients;
      assert.ok(client);
      const first = await acquireLock(client, "/lock");
      const giveUp = new AbortController();
      const waiting = clients.map((each) => acquireLock(each, "/lock", { signal: giveUp.signal }));
      const queue = await queued(client, "/lock", 5);
      const port = Number(connectString.split(":")[1]);
      await until("each that waits is watched by the next one alone", 20_000, async () => {
        const watches = await fourLetterWord(port, "wchp");
        return queue.slice(1, -1).every(({ path }) => {
          const [sessions] = watches.split(`${root}${path}\n`)[1]?.split(/^\//m) ?? [];
          return sessions?.match(/^\t0x/gm)?.length === 1;
        });
      });
      giveUp.abort();
      await Promise.all(waiting.map((each) => failure(each, "ABORTED")));
      await first.release();
      await hasChildren(client, "/lock", 0);
    }),
  );

  it("leaves nothing behind of those who give up or only try", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const held = await tryLock(client, "/lock");
      assert.ok(held);
      assert.equal(await tryLock(client, "/lock"), undefined);
      await hasChildren(client, "/lock", 1);
      await failure(acquireLock(client, "/lock", { deadlineMs: 20 }), "DEADLINE_EXCEEDED");
      const reason = new Error("enough");
      const error = await failure(
        acquireLock(client, "/lock", { signal: AbortSignal.abort(reason) }),
        "ABORTED",
      );
      assert.equal(error.cause, reason);
      const giveUp = new AbortController();
      const waiting = acquireLock(client, "/lock", { signal: giveUp.signal });
      await queued(client, "/lock", 2);
      giveUp.abort();
      await failure(waiting, "ABORTED");
      await failure(acquireLock(client, "/lock", { deadlineMs: 0 }), "BAD_ARGUMENTS");
      const { message } = await failure(acquireLock(client, "/lock/"), "BAD_ARGUMENTS");
      assert.match(message, /^"\/lock\/" is no znode path/);
      await hasChildren(client, "/lock", 1);
      await held.release();
    }),
  );

  it("keeps one watch for all attempts of a session at what it waits for", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const woken: number[] = [];
      const first = shareWatch(client, "data /a", () => woken.push(1));
      first.isSet();
      first.stop();
      const second = shareWatch(client, "data /a", () => woken.push(2));
      assert.equal(second.listener, first.listener);
      second.listener({ type: "deleted", path: "/a" });
      assert.deepEqual(woken, [2]);
      const third = shareWatch(client, "data /a", () => woken.push(3));
      assert.notEqual(third.listener, first.listener, "what has fired has to be set anew");
      third.stop();
    }),
  );

  it("lets readers in together, and a writer alone, before readers who came later", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const readers = [await acquireReadLock(client, "/lock"), await acquireReadLock(client, "/lock")];
      await failure(acquireWriteLock(client, "/lock", { deadlineMs: 300 }), "DEADLINE_EXCEEDED");
      const writing = acquireWriteLock(client, "/lock");
      await queued(client, "/lock", 3);
      const reading = acquireReadLock(client, "/lock");
      await queued(client, "/lock", 4);
      await readers[0]?.release();
      await failure(acquireReadLock(client, "/lock", { deadlineMs: 300 }), "DEADLINE_EXCEEDED");
      await readers[1]?.release();
      const writer = await writing;
      const kinds = (await lockContenders(client, "/lock")).map(({ kind }) => kind);
      assert.deepEqual(kinds.slice(0, 2), ["write", "read"]);
      await writer.release();
      await (await reading).release();
      await hasChildren(client, "/lock", 0);
    }),
  );

  it("gives away as many leases as there are, and nothing stays of who gives up", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const options = { maxLeases: 2 };
      const [first, second] = [
        await acquireLease(client, "/leases", options),
        await acquireLease(client, "/leases", options),
      ];
      await failure(acquireLease(client, "/leases", { ...options, deadlineMs: 300 }), "DEADLINE_EXCEEDED");
      await hasChildren(client, "/leases-__lock__", 0);
      const third = acquireLease(client, "/leases", options);
      await queued(client, "/leases-__lock__", 1);
      // Somebody deletes the place at which it waits.
      await client.deleteAll("/leases-__lock__");
      await first.release();
      await (await third).release();
      await second.release();
      await hasChildren(client, "/leases", 0);
      await hasChildren(client, "/leases-__lock__", 0);
      await failure(acquireLease(client, "/leases", { maxLeases: 0 }), "BAD_ARGUMENTS");
    }),
  );

  it(
    "gives a lease when the semaphore goes, or its connection, as its number is read",
    { timeout: 30_000 },
    () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect({ retry: "nothing" });
        const options = { maxLeases: 2, deadlineMs: 20_000 };
        await (await acquireLease(client, "/leases", options)).release();
        const get = client.get.bind(client);
        const getGone = async (...args: Parameters<typeof get>) => {
          Object.defineProperty(client, "get", { value: get, configurable: true });
          await client.delete("/leases");
          return await get(...args);
        };
        Object.defineProperty(client, "get", { value: getGone, configurable: true });
        await (await acquireLease(client, "/leases", options)).release();
        failReads(client, "get", 1, "CONNECTION_LOSS");
        await (await acquireLease(client, "/leases", options)).release();
      }),
  );

  it("knows the order of numbers that have run over, and who is no contender", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const names = [
        "e__lock__-999999999",
        "d__lock__-2147483647",
        "c__rlock__-2147483648",
        "b__lock__2147483647",
        "a__lock__2147483646",
      ];
      const others = ["_c_1-lock-0000000000", "__lock__", "0000000001", "x__lock__0000000001-"];
      assert.deepEqual(
        queueOf([...names, ...others]).map(({ name }) => name),
        names.toReversed(),
      );
      const client = await connect();
      for (const name of others) await client.createAll(`/lock/${name}`);
      await (await acquireLock(client, "/lock")).release();
      await hasChildren(client, "/lock", others.length);
    }),
  );

  it("uses a container, and makes what is missing when it was deleted", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/container", undefined, { mode: "container" });
      const held = await acquireLock(client, "/container");
      const gone = new Promise<void>((resolve) => {
        client.exists("/container", { watch: () => resolve() });
      });
      await held.release();
      await gone;
      await (await acquireLock(client, "/container")).release();
    }),
  );
}
