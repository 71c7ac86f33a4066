import assert from "node:assert/strict";
import { it } from "node:test";
import type { CreateMode } from "../../../src/zookeeper/index.ts";
import { bytes, failure, recorder, text, withClients } from "../../support/zookeeper-clients.ts";

/** Znodes of all modes, and what is known of them. */
export function znodeTests(connectString: string): void {
  it("creates a znode, and tells all eleven fields of its stat", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const beforeMs = Date.now();
      const { path, stat } = await client.create("/a", bytes("one"));
      assert.equal(path, "/a");
      assert.deepEqual(stat, (await client.get("/a")).stat);
      await client.create("/a/child");
      await client.setAcl("/a", (await client.getAcl("/a")).acl);
      const changed = await client.set("/a", bytes("three"), { version: 0 });
      const { ctimeMs, mtimeMs, ...rest } = changed;
      assert.ok(Math.abs(ctimeMs - beforeMs) < 600_000 && mtimeMs >= ctimeMs);
      assert.ok(changed.mzxid > changed.pzxid && changed.pzxid > changed.czxid);
      assert.deepEqual(rest, {
        czxid: stat.czxid,
        mzxid: changed.mzxid,
        pzxid: changed.pzxid,
        version: 1,
        cversion: 1,
        aversion: 1,
        ephemeralOwner: 0n,
        dataLength: 5,
        numChildren: 1,
      });
      assert.deepEqual((await client.children("/a")).children, ["child"]);
      assert.deepEqual(await client.exists("/a"), changed);
      assert.equal(await client.exists("/none"), undefined);
    }),
  );

  const modes: [CreateMode, RegExp][] = [
    ["persistent", /^\/n-$/],
    ["persistent-sequential", /^\/n-\d{10}$/],
    ["ephemeral", /^\/n-$/],
    ["ephemeral-sequential", /^\/n-\d{10}$/],
    ["container", /^\/n-$/],
    ["persistent-with-ttl", /^\/n-$/],
    ["persistent-sequential-with-ttl", /^\/n-\d{10}$/],
  ];
  for (const [mode, expected] of modes) {
    it(`creates a znode in mode ${mode}`, { timeout: 20_000 }, () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect();
        const ttlMs = mode.endsWith("ttl") ? 60_000 : undefined;
        const { path, stat } = await client.create("/n-", bytes("data"), { mode, ttlMs });
        assert.match(path, expected);
        const found = await client.get(path);
        assert.equal(text(found.data), "data");
        assert.equal(found.stat.czxid, stat.czxid);
        assert.equal(found.stat.ephemeralOwner, mode.startsWith("ephemeral") ? client.sessionId : 0n);
        // In a multi, too, whose answers differ.
        const [made] = await client.multi([
          { type: "create", path: "/m-", mode, ...(ttlMs !== undefined && { ttlMs }) },
        ]);
        assert.match(made?.type === "create" ? made.path.replace("/m-", "/n-") : "", expected);
      }),
    );
  }

  it("creates numbered znodes in its root, also a nested one", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const mode = "persistent-sequential";
      const { path } = await client.create("/", undefined, { mode });
      assert.equal(path, "/0000000000");
      const [made] = await client.multi([{ type: "create", path: "/", mode }]);
      assert.deepEqual(made, { type: "create", path: "/0000000001" });
      assert.deepEqual((await client.children("/")).children.toSorted(), ["0000000000", "0000000001"]);
    }),
  );

  it("leaves it to the server to delete containers and what has lived long enough", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const seen = recorder();
      await client.create("/container", undefined, { mode: "container" });
      await client.create("/container/last");
      await client.create("/brief", undefined, { mode: "persistent-with-ttl", ttlMs: 1 });
      await client.exists("/container", { watch: seen.listener });
      await client.delete("/container/last");
      await seen.saw("deleted /container");
      while ((await client.exists("/brief")) !== undefined) await client.sync();
    }),
  );

  it("refuses a TTL that is none, or in a mode that has none", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      for (const ttlMs of [undefined, 0, -1, 1.5, 2 ** 40]) {
        const mode = "persistent-with-ttl";
        const error = await failure(client.create("/t", undefined, { mode, ttlMs }), "BAD_ARGUMENTS");
        assert.match(error.message, /ttlMs is .*; allowed: a whole number .* from 1 to 1099511627775/);
      }
      await failure(client.create("/t", undefined, { ttlMs: 1000 }), "BAD_ARGUMENTS");
    }),
  );

  it("creates what is missing on the way, and deletes a tree", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.createAll("/a/b/c");
      await client.createAll("/a/b/c");
      const names = Array.from({ length: 520 }, (_, index) => `/a/b/n${index}`);
      await Promise.all(names.map((path) => client.create(path)));
      assert.equal(await client.allChildrenCount("/a"), 522);
      await failure(client.deleteAll("/"), "BAD_ARGUMENTS");
      assert.equal(await client.allChildrenCount("/a"), 522);
      await client.deleteAll("/a");
      assert.equal(await client.exists("/a"), undefined);
      await client.deleteAll("/a");
    }),
  );

  it("deletes a tree in which others create and delete", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      await client.createAll("/t/x");
      const disturbing = (async () => {
        for (let n = 0; n < 100; n++) {
          await other.create(`/t/x/${n}`).catch(() => {});
          await other.delete(`/t/x/${n - 3}`).catch(() => {});
        }
      })();
      while ((await client.exists("/t/x"))?.numChildren === 0) await client.sync();
      await client.deleteAll("/t");
      await disturbing;
      await client.sync();
      assert.equal(await client.exists("/t/x"), undefined);
    }),
  );

  it("refuses what the znode is not", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/a");
      await client.create("/a/e", undefined, { mode: "ephemeral" });
      const refused = [
        [() => client.create("/a"), "NODE_EXISTS"],
        [() => client.create("/none/b"), "NO_NODE"],
        [() => client.create("/a/e/c"), "NO_CHILDREN_FOR_EPHEMERALS"],
        [() => client.get("/none"), "NO_NODE"],
        [() => client.children("/none"), "NO_NODE"],
        [() => client.set("/a", bytes(""), { version: 7 }), "BAD_VERSION"],
        [() => client.delete("/a", { version: 7 }), "BAD_VERSION"],
        [() => client.delete("/a"), "NOT_EMPTY"],
        [() => client.delete("/"), "BAD_ARGUMENTS"],
        [() => client.create("a"), "BAD_ARGUMENTS"],
        [() => client.get("/a/../b"), "BAD_ARGUMENTS"],
        [() => client.get("/a", { deadlineMs: 0 }), "BAD_ARGUMENTS"],
      ] as const;
      for (const [call, code] of refused) assert.equal((await failure(call(), code)).maybeApplied, false);
    }),
  );

  it("lists the ephemeral znodes of the session, without its root", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, other] = await Promise.all([connect(), connect()]);
      const ephemeral = { mode: "ephemeral" } as const;
      for (const path of ["/a", "/ab", "/b"]) await client.create(path, undefined, ephemeral);
      await other.create("/c", undefined, ephemeral);
      assert.deepEqual((await client.ephemerals()).toSorted(), ["/a", "/ab", "/b"]);
      assert.deepEqual((await client.ephemerals("/a")).toSorted(), ["/a", "/ab"]);
    }),
  );
}
