import assert from "node:assert/strict";
import { it } from "node:test";
import { createProtected, type ZooKeeper } from "../../../src/zookeeper/index.ts";
import { failReads, loseAnswers } from "../../support/lost-answers.ts";
import { failure, inState, withClients } from "../../support/zookeeper-clients.ts";

const sequential = { mode: "ephemeral-sequential" } as const;

/** Resolves with the names of the children once there are so many. */
async function whenThereAre(client: ZooKeeper, count: number): Promise<string[]> {
  for (;;) {
    const { children } = await client.children("/");
    if (children.length === count) return children;
    await client.sync();
  }
}

/** Creates that are not done twice (ZOOKEEPER-1159). */
export function createProtectedTests(connectString: string): void {
  it("finds the znode that it has created when the answer is lost", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      const witness = await connect();
      proxy.setMode("mute");
      const creating = createProtected(client, "/lock-", undefined, sequential);
      const [name] = await whenThereAre(witness, 1);
      proxy.setMode("cut");
      proxy.setMode("pass");
      const { path, stat } = await creating;
      assert.equal(path, `/${name}`);
      assert.match(path, /^\/_c_[\da-f-]{36}-lock-\d{10}$/);
      assert.equal(stat.ephemeralOwner, client.sessionId);
      assert.equal((await client.children("/")).children.length, 1);
    }),
  );

  it(
    "deletes what it has created for nobody also when the server is too busy at first",
    { timeout: 20_000 },
    () =>
      withClients(connectString, async ({ connect }) => {
        const [client, witness] = await Promise.all([connect(), connect()]);
        loseAnswers(client, "create", "answers");
        failReads(client, "sync", 2, "THROTTLED");
        const error = await failure(createProtected(client, "/lock-", undefined, sequential), "THROTTLED");
        assert.ok(error.maybeApplied);
        await whenThereAre(witness, 0);
      }),
  );

  it("creates it when the request was lost", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      proxy.setMode("silent");
      const creating = createProtected(client, "/lock-", undefined, sequential);
      proxy.setMode("cut");
      proxy.setMode("pass");
      const { path } = await creating;
      assert.deepEqual((await client.children("/")).children, [path.slice(1)]);
    }),
  );

  it("finds it when a repeated create has met the first one", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy({ retry: "conditional" });
      const witness = await connect();
      proxy.setMode("mute");
      const creating = createProtected(client, "/leader", undefined, { mode: "ephemeral" });
      const [name] = await whenThereAre(witness, 1);
      proxy.setMode("cut");
      proxy.setMode("pass");
      assert.equal((await creating).path, `/${name}`);
    }),
  );

  it("leaves nothing behind when it is given up", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      const witness = await connect();
      const abort = new AbortController();
      proxy.setMode("mute");
      const options = { ...sequential, signal: abort.signal };
      const creating = createProtected(client, "/lock-", undefined, options);
      await whenThereAre(witness, 1);
      abort.abort();
      assert.equal((await failure(creating, "ABORTED")).maybeApplied, true);
      proxy.setMode("cut");
      await inState(client, "disconnected");
      proxy.setMode("pass");
      await whenThereAre(witness, 0);
    }),
  );
}
