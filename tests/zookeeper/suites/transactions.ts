import assert from "node:assert/strict";
import { it } from "node:test";
import { bytes, failure, text, withClients } from "../../support/zookeeper-clients.ts";

/** Several operations or reads at once. */
export function transactionTests(connectString: string): void {
  it("carries out several operations together", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/counter", bytes("0"));
      const results = await client.multi([
        { type: "check", path: "/counter", version: 0 },
        { type: "create", path: "/n-", data: bytes("new"), mode: "ephemeral-sequential" },
        { type: "set", path: "/counter", data: bytes("1"), version: 0 },
        { type: "create", path: "/gone" },
        { type: "delete", path: "/gone", version: 0 },
      ]);
      assert.deepEqual(
        results.map(({ type }) => type),
        ["check", "create", "set", "create", "delete"],
      );
      const [, made, set] = results;
      assert.ok(made?.type === "create" && set?.type === "set");
      assert.match(made.path, /^\/n-\d{10}$/);
      assert.equal(text((await client.get(made.path)).data), "new");
      assert.equal(set.stat.version, 1);
      assert.deepEqual(await client.multi([]), []);
    }),
  );

  it("names the operation that failed, by its place and its path below the root", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/counter", bytes("0"));
      const error = await failure(
        client.multi([
          { type: "create", path: "/other" },
          { type: "set", path: "/counter", data: bytes("2"), version: 7 },
          { type: "delete", path: "/none" },
        ]),
        "BAD_VERSION",
      );
      assert.deepEqual([error.index, error.path, error.maybeApplied], [1, "/counter", false]);
      assert.match(error.message, /operation 1, set \/counter/);
      assert.deepEqual((await client.children("/")).children, ["counter"]);
      await failure(client.multi([{ type: "delete", path: "/" }]), "BAD_ARGUMENTS");
      await failure(client.multi([{ type: "create", path: "/a/" }]), "BAD_ARGUMENTS");
    }),
  );

  it("reads several znodes at one moment, each with its own error", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/a", bytes("1"));
      await client.create("/a/b");
      const [data, children, missing] = await client.multiRead([
        { type: "get", path: "/a" },
        { type: "children", path: "/a" },
        { type: "get", path: "/none" },
      ]);
      assert.ok(data?.type === "get" && children?.type === "children" && missing?.type === "error");
      assert.equal(text(data.data), "1");
      assert.equal(data.stat.numChildren, 1);
      assert.deepEqual(children.children, ["b"]);
      const { code, path, index } = missing.error;
      assert.deepEqual([code, path, index], ["NO_NODE", "/none", 2]);
      assert.deepEqual(await client.multiRead([]), []);
    }),
  );
}
