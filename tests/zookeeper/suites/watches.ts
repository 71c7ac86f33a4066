import assert from "node:assert/strict";
import { it } from "node:test";
import { bytes, caughtUp, failure, inState, recorder, withClients } from "../../support/zookeeper-clients.ts";

/** Watches of one event. */
export function watchTests(connectString: string): void {
  it("tells a one-shot watch once, with the path below the root", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const [data, missing, children] = [recorder(), recorder(), recorder()];
      await other.create("/a");
      await client.sync();
      await client.get("/a", { watch: data.listener });
      await client.exists("/new", { watch: missing.listener });
      await client.children("/", { watch: children.listener });
      await other.set("/a", bytes("1"));
      await other.create("/new");
      await other.set("/a", bytes("2"));
      await other.delete("/new");
      await caughtUp(client);
      assert.deepEqual(data.told, ["changed /a"]);
      assert.deepEqual(missing.told, ["created /new"]);
      assert.deepEqual(children.told, ["children /"]);
    }),
  );

  it("tells a watch before any read shows the change", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      await other.create("/a");
      await client.sync();
      for (let version = 0; version < 50; version++) {
        let isTold = false;
        await client.get("/a", {
          watch: () => {
            isTold = true;
          },
        });
        const setting = other.set("/a", bytes("1"));
        // It may be told already when a read goes on that came just before it, in the same chunk.
        while ((await client.get("/a")).stat.version === version);
        assert.equal(isTold, true);
        await setting;
      }
    }),
  );

  it("tells after a reconnect what a watch has missed", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const other = await connect();
      const { client, proxy } = await connectThroughProxy();
      await other.create("/changed");
      await other.create("/deleted");
      await other.create("/kept");
      await client.sync();
      const seen = recorder();
      for (const path of ["/changed", "/deleted", "/kept"]) await client.get(path, { watch: seen.listener });
      await client.exists("/new", { watch: seen.listener });
      await client.children("/", { watch: seen.listener });
      proxy.setMode("cut");
      await inState(client, "disconnected");
      await other.set("/changed", bytes("1"));
      await other.delete("/deleted");
      await other.create("/new");
      proxy.setMode("pass");
      await inState(client, "connected");
      await caughtUp(client);
      assert.deepEqual(seen.told.toSorted(), [
        "changed /changed",
        "children /",
        "created /new",
        "deleted /deleted",
      ]);
      await other.set("/kept", bytes("1"));
      await seen.saw("changed /kept");
    }),
  );

  it("sets no watch for a read that was aborted, or failed", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      await client.create("/a");
      const seen = recorder();
      const abort = new AbortController();
      const reading = client.get("/a", { watch: seen.listener, signal: abort.signal });
      abort.abort(new Error("enough"));
      const error = await failure(reading, "ABORTED");
      assert.deepEqual([error.maybeApplied, (error.cause as Error).message], [false, "enough"]);
      await failure(client.get("/none", { watch: seen.listener }), "NO_NODE");
      await other.set("/a", bytes("1"));
      await other.create("/none");
      await caughtUp(client);
      assert.deepEqual(seen.told, []);
    }),
  );

  it("removes the watches of a path, by their kind", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      await client.create("/a");
      const [data, children] = [recorder(), recorder()];
      await client.get("/a", { watch: data.listener });
      await client.children("/a", { watch: children.listener });
      await client.removeWatches("/a", { type: "data" });
      await other.set("/a", bytes("1"));
      await other.create("/a/b");
      await children.saw("children /a");
      assert.deepEqual(data.told, ["removed /a"]);
      assert.deepEqual(children.told, ["children /a"]);
      await failure(client.removeWatches("/a"), "NO_WATCHER");
    }),
  );

  it("tells all watches when the session is closed", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const seen = recorder();
      await client.get("/", { watch: seen.listener });
      await client.addWatch("/x", { mode: "persistent-recursive" }, seen.listener);
      await client.close();
      assert.deepEqual(seen.told.toSorted(), ["session-lost /", "session-lost /x"]);
    }),
  );

  it("watches the configuration of the ensemble from below any root", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const seen = recorder();
      await client.getConfig({ watch: seen.listener });
      await client.close();
      assert.deepEqual(seen.told, ["session-lost /zookeeper/config"]);
    }),
  );
}
