import assert from "node:assert/strict";
import { it } from "node:test";
import type { ZooKeeper } from "../../support/zookeeper.ts";
import { bytes, caughtUp, failure, inState, recorder, withClients } from "../../support/zookeeper-clients.ts";

/** Watches that stay. */
export function persistentWatchTests({ connectString, members }: ZooKeeper): void {
  it("tells a persistent watch all that happens to its path", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const seen = recorder();
      await client.addWatch("/a", { mode: "persistent" }, seen.listener);
      await other.create("/a");
      await other.set("/a", bytes("1"));
      await other.set("/a", bytes("2"));
      await other.create("/a/b");
      await other.set("/a/b", bytes("1"));
      await other.delete("/a/b");
      await other.delete("/a");
      await caughtUp(client);
      const expected = ["created", "changed", "changed", "children", "children", "deleted"];
      assert.deepEqual(
        seen.told,
        expected.map((type) => `${type} /a`),
      );
    }),
  );

  it("tells a recursive watch all that happens below its path too", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const [all, some] = [recorder(), recorder()];
      await client.addWatch("/", { mode: "persistent-recursive" }, all.listener);
      await client.addWatch("/a", { mode: "persistent-recursive" }, some.listener);
      await other.createAll("/a/b");
      await other.create("/ab");
      await other.set("/a/b", bytes("1"));
      await other.delete("/a/b");
      await other.delete("/ab");
      await caughtUp(client);
      const below = ["created /a", "created /a/b", "changed /a/b", "deleted /a/b"];
      assert.deepEqual(some.told, below);
      assert.deepEqual(
        all.told.filter((event) => !event.endsWith("/ab")),
        below,
      );
      assert.deepEqual(
        all.told.filter((event) => event.endsWith("/ab")),
        ["created /ab", "deleted /ab"],
      );
    }),
  );

  it("goes on after a reconnect, and tells that something may have been missed", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const other = await connect();
      const { client, proxy } = await connectThroughProxy();
      const [one, all] = [recorder(), recorder()];
      await client.addWatch("/a", { mode: "persistent" }, one.listener);
      await client.addWatch("/", { mode: "persistent-recursive" }, all.listener);
      proxy.setMode("cut");
      await inState(client, "disconnected");
      await other.create("/a");
      proxy.setMode("pass");
      await inState(client, "connected");
      await caughtUp(client);
      assert.deepEqual([one.told, all.told], [["missed /a"], ["missed /"]]);
      await other.set("/a", bytes("1"));
      await caughtUp(client);
      assert.deepEqual(
        [one.told, all.told].map((told) => told[1]),
        ["changed /a", "changed /a"],
      );
    }),
  );

  it(
    "ends the session at once when it is closed by a listener that may have missed something",
    {
      timeout: 20_000,
    },
    () =>
      withClients(connectString, async ({ connect, connectThroughProxy }) => {
        const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
        await client.create("/mine", undefined, { mode: "ephemeral" });
        const closed = Promise.withResolvers<void>();
        await client.addWatch("/a", { mode: "persistent" }, ({ type }) => {
          if (type === "missed") client.close().then(closed.resolve);
        });
        proxy.setMode("cut");
        await inState(client, "disconnected");
        proxy.setMode("pass");
        await closed.promise;
        await other.sync();
        assert.equal(await other.exists("/mine"), undefined);
      }),
  );

  // Servers before 3.9 keep one watch of a session for a path: ZOOKEEPER-4466.
  for (const mode of ["persistent", "persistent-recursive"] as const) {
    for (const first of ["the one-shot watches", "the persistent one"]) {
      it(
        `keeps a ${mode} watch beside one-shot ones of its path, with ${first} set first`,
        {
          timeout: 20_000,
        },
        () =>
          withClients(connectString, async ({ connect }) => {
            const [client, other] = await Promise.all([connect(), connect()]);
            await client.create("/a");
            const [stays, data, children] = [recorder(), recorder(), recorder()];
            const oneShot = async () => {
              await client.get("/a", { watch: data.listener });
              await client.children("/a", { watch: children.listener });
            };
            if (first === "the one-shot watches") await oneShot();
            await client.addWatch("/a", { mode }, stays.listener);
            if (first !== "the one-shot watches") await oneShot();
            await other.set("/a", bytes("1"));
            await other.create("/a/b");
            await other.set("/a", bytes("2"));
            await other.create("/a/c");
            await caughtUp(client);
            assert.deepEqual(data.told, ["changed /a"]);
            assert.deepEqual(children.told, ["children /a"]);
            const [second, fourth] =
              mode === "persistent" ? ["children /a", "children /a"] : ["created /a/b", "created /a/c"];
            assert.deepEqual(stays.told, ["changed /a", second, "changed /a", fourth]);
          }),
      );
    }
  }

  for (const mode of ["persistent", "persistent-recursive"] as const) {
    it(`keeps a ${mode} watch beside one-shot ones that are set before its answer`, { timeout: 20_000 }, () =>
      withClients(connectString, async ({ connect }) => {
        const [client, other] = await Promise.all([connect(), connect()]);
        await client.create("/a");
        const [stays, data, children] = [recorder(), recorder(), recorder()];
        await Promise.all([
          client.addWatch("/a", { mode }, stays.listener),
          client.get("/a", { watch: data.listener }),
          client.children("/a", { watch: children.listener }),
        ]);
        await other.set("/a", bytes("1"));
        await other.set("/a", bytes("2"));
        await other.create("/a/b");
        await caughtUp(client);
        const last = mode === "persistent" ? "children /a" : "created /a/b";
        assert.deepEqual(stays.told, ["changed /a", "changed /a", last]);
        assert.deepEqual([data.told, children.told], [["changed /a"], ["children /a"]]);
      }),
    );

    it(`keeps a ${mode} watch that is set as another one is removed`, { timeout: 20_000 }, () =>
      withClients(connectString, async ({ connect }) => {
        const [client, other] = await Promise.all([connect(), connect()]);
        await client.create("/a");
        const [stays, data] = [recorder(), recorder()];
        const removed = await client.addWatch("/a", { mode }, () => {});
        await client.get("/a", { watch: data.listener });
        await Promise.all([removed.remove(), client.addWatch("/a", { mode }, stays.listener)]);
        await caughtUp(client);
        await other.set("/a", bytes("1"));
        await other.set("/a", bytes("2"));
        await other.create("/a/b");
        await caughtUp(client);
        const last = mode === "persistent" ? "children /a" : "created /a/b";
        assert.deepEqual(stays.told, ["changed /a", "changed /a", last]);
        assert.deepEqual(data.told, ["changed /a"]);
      }),
    );
  }

  it(
    "keeps a recursive watch when a persistent one of its path is set before its answer",
    {
      timeout: 20_000,
    },
    () =>
      withClients(connectString, async ({ connect }) => {
        const [client, other] = await Promise.all([connect(), connect()]);
        await client.create("/a");
        const [recursive, persistent] = [recorder(), recorder()];
        await Promise.all([
          client.addWatch("/a", { mode: "persistent-recursive" }, recursive.listener),
          client.addWatch("/a", { mode: "persistent" }, persistent.listener),
        ]);
        await other.create("/a/b");
        await other.set("/a/b", bytes("1"));
        await caughtUp(client);
        assert.deepEqual(recursive.told, ["created /a/b", "changed /a/b"]);
        assert.deepEqual(persistent.told, ["children /a"]);
      }),
  );

  // ZOOKEEPER-4472: servers remove all watches of a path with one of them.
  it("keeps the other watches of a path when one is removed", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      await client.create("/a");
      const [recursive, persistent, data, children] = [recorder(), recorder(), recorder(), recorder()];
      const removed = await client.addWatch("/a", { mode: "persistent-recursive" }, recursive.listener);
      const also = await client.addWatch("/a", { mode: "persistent" }, persistent.listener);
      await client.get("/a", { watch: data.listener });
      await removed.remove();
      await other.create("/a/b");
      await caughtUp(client);
      assert.deepEqual([recursive.told, persistent.told], [[], ["children /a"]]);
      await also.remove();
      await client.children("/a", { watch: children.listener });
      await other.set("/a", bytes("1"));
      await other.create("/a/c");
      await caughtUp(client);
      assert.deepEqual(persistent.told, ["children /a"]);
      assert.deepEqual([data.told, children.told], [["changed /a"], ["children /a"]]);
    }),
  );

  it("keeps a persistent watch when the one-shot ones of its path are removed", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      await client.create("/a");
      const [stays, data] = [recorder(), recorder()];
      await client.get("/a", { watch: data.listener });
      await client.addWatch("/a", { mode: "persistent" }, stays.listener);
      await client.removeWatches("/a", { type: "data" });
      await other.set("/a", bytes("1"));
      await caughtUp(client);
      assert.deepEqual([stays.told, data.told], [["changed /a"], ["removed /a"]]);
      await client.removeWatches("/a");
      await other.set("/a", bytes("2"));
      await caughtUp(client);
      assert.deepEqual(stays.told, ["changed /a", "removed /a"]);
    }),
  );

  it("leaves nothing at the server of a watch that was given up while it was set", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ root, connect }) => {
      const client = await connect();
      const abort = new AbortController();
      const { signal } = abort;
      const adding = client.addWatch("/given-up", { mode: "persistent", signal }, () => {});
      abort.abort();
      await failure(adding, "ABORTED");
      await client.addWatch("/kept", { mode: "persistent" }, () => {});
      // "Watches by path", of all clients.
      const watched = await members[0]?.ask("wchp");
      assert.match(watched ?? "", new RegExp(`${root}/kept`));
      assert.doesNotMatch(watched ?? "", /given-up/);
    }),
  );
}
