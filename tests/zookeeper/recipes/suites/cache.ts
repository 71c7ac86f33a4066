import assert from "node:assert/strict";
import { it } from "node:test";
import { type ZooKeeper, ZooKeeperError } from "../../../../src/zookeeper/index.ts";
import { ZnodeCache } from "../../../../src/zookeeper/recipes/index.ts";
import { CheckedCache } from "../../../support/cache-checks.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import { until } from "../../../support/until.ts";
import { bytes, failure, text, withClients } from "../../../support/zookeeper-clients.ts";

const timeout = 60_000;

/** Makes a client speak as with a server before 3.6. */
function withoutPersistentWatches(client: ZooKeeper): ZooKeeper {
  client.addWatch = async () => {
    throw new ZooKeeperError("UNIMPLEMENTED", "addWatch: not in this test");
  };
  return client;
}

/** Creates, changes, deletes and creates again znodes of a small tree at random. */
async function churn(client: ZooKeeper, steps: number, random: () => number): Promise<void> {
  const pick = <T>(choices: readonly [T, ...T[]]): T =>
    choices[Math.floor(random() * choices.length)] ?? choices[0];
  const work: Promise<unknown>[] = [];
  for (let step = 0; step < steps; step++) {
    const path = `/tree${Array.from({ length: pick([0, 1, 2, 2, 3]) }, () => `/${pick(["a", "b", "c"])}`).join("")}`;
    const data = bytes(`${step}`);
    const call = pick([
      () => client.create(path, data),
      () => client.create(path, data),
      () => client.set(path, data),
      () => client.delete(path),
    ])();
    work.push(
      call.catch((error) => assert.ok(ZooKeeperError.is(error, "NO_NODE", "NODE_EXISTS", "NOT_EMPTY"))),
    );
  }
  await Promise.all(work);
}

/** Caches of one znode and of all below it. */
export function cacheTests(connectString: string): void {
  for (const [watches, adapt] of [
    ["a persistent watch", (client: ZooKeeper) => client],
    ["one-shot watches", withoutPersistentWatches],
  ] as const) {
    it(`follows a tree by ${watches}`, { timeout }, () =>
      withClients(connectString, async ({ connect }) => {
        const [client, writer] = await Promise.all([connect(), connect()]);
        await writer.create("/tree", bytes("root"));
        await writer.create("/tree/a");
        const checked = new CheckedCache(adapt(client), "/tree");
        await checked.cache.start();
        assert.deepEqual(checked.story, ["added /tree", "added /tree/a", "initialized"]);
        await writer.create("/tree/a/b", bytes("one"));
        await checked.equals(writer);
        await writer.set("/tree/a/b", bytes("two"));
        await checked.equals(writer);
        assert.equal(text(checked.cache.get("/tree/a/b")?.data ?? bytes("")), "two");
        assert.deepEqual(checked.cache.children("/tree/a"), ["b"]);
        await writer.deleteAll("/tree");
        await checked.equals(writer);
        await writer.create("/tree");
        await checked.equals(writer);
        assert.deepEqual(checked.story.slice(3), [
          ...["added /tree/a/b", "changed /tree/a/b"],
          ...["removed /tree/a/b", "removed /tree/a", "removed /tree", "added /tree"],
        ]);
      }),
    );

    it(
      `tells events in order, and ends up equal, while a tree changes at random, by ${watches}`,
      { timeout },
      () =>
        withClients(connectString, async ({ connect }) => {
          const [client, writer, other] = await Promise.all([connect(), connect(), connect()]);
          const checked = new CheckedCache(adapt(client), "/tree");
          const starting = checked.cache.start();
          for (let seed = 0; seed < 10; seed++) {
            await Promise.all([churn(writer, 60, seededRandom(seed)), churn(other, 60, seededRandom(~seed))]);
            await checked.equals(writer);
          }
          await starting;
          assert.ok(checked.events.length > 100);
        }),
    );

    it(`makes up for what it has missed without a connection, by ${watches}`, { timeout }, () =>
      withClients(connectString, async ({ connect, connectThroughProxy }) => {
        const { client, proxy } = await connectThroughProxy();
        const writer = await connect();
        const checked = new CheckedCache(adapt(client), "/tree");
        await writer.create("/tree", bytes("root"));
        for (const name of ["kept", "changed", "removed", "again"]) await writer.create(`/tree/${name}`);
        await writer.create("/tree/again/below");
        await checked.cache.start();
        proxy.setMode("cut");
        await until("the client notices", 20_000, () => client.state === "disconnected");
        await writer.set("/tree/changed", bytes("now"));
        await writer.delete("/tree/removed");
        await writer.deleteAll("/tree/again");
        await writer.create("/tree/again");
        await writer.create("/tree/again/other");
        await writer.create("/tree/new");
        await writer.create("/tree/new/below");
        assert.equal(checked.cache.get("/tree/removed") === undefined, false, "it stays as it was");
        proxy.setMode("pass");
        await checked.equals(writer);
        assert.deepEqual(checked.story.filter((event) => event.includes("/again")).slice(2), [
          ...["removed /tree/again/below", "removed /tree/again"],
          ...["added /tree/again", "added /tree/again/other"],
        ]);
        assert.equal(checked.story.filter((event) => event.includes("/kept")).length, 1);
      }),
    );

    it(`follows one znode alone, before it exists and after it is gone, by ${watches}`, { timeout }, () =>
      withClients(connectString, async ({ connect }) => {
        const [client, writer] = await Promise.all([connect(), connect()]);
        const checked = new CheckedCache(adapt(client), "/node", { scope: "node" });
        await checked.cache.start();
        assert.deepEqual(checked.story, ["initialized"]);
        const is = (data: string | undefined) =>
          until(`it is ${data}`, 20_000, () => {
            const znode = checked.cache.get("/node");
            return (znode && text(znode.data)) === data;
          });
        await writer.create("/node", bytes("one"));
        await is("one");
        await writer.create("/node/child");
        await writer.set("/node", bytes("two"));
        await is("two");
        await writer.deleteAll("/node");
        await is(undefined);
        await writer.create("/node", bytes("three"));
        await is("three");
        assert.equal(checked.cache.size, 1);
        assert.equal(checked.violation, undefined);
      }),
    );
  }

  it("ends when there are more znodes than it may keep", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/tree");
      for (const name of ["a", "b"]) await client.create(`/tree/${name}`);
      const { message } = await failure(
        new ZnodeCache(client, "/tree", { nodesMax: 2 }).start(),
        "OVERLOADED",
      );
      assert.match(message, /more than 2 znodes \(nodesMax\)/);
      const checked = new CheckedCache(client, "/tree", { nodesMax: 3 });
      await checked.cache.start();
      await client.create("/tree/c");
      await until("it ends", 20_000, () => checked.story.at(-1) === "ended");
    }),
  );

  it("says so when its session has ended, and keeps what it knows", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/tree", bytes("kept"));
      const checked = new CheckedCache(client, "/tree");
      await checked.cache.start();
      await client.close();
      const last = checked.events.at(-1);
      assert.ok(last?.type === "ended" && last.error.code === "CLOSED");
      assert.equal(text(checked.cache.get("/tree")?.data ?? bytes("")), "kept");
      await failure(new ZnodeCache(client, "/tree").start(), "CLOSED");
    }),
  );

  it("takes back its watch when it is closed, and when its start is aborted", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/tree");
      const cache = new ZnodeCache(client, "/tree");
      await cache.start();
      cache.close();
      await failure(new ZnodeCache(client, "/tree").start({ signal: AbortSignal.abort() }), "ABORTED");
      await failure(client.removeWatches("/tree"), "NO_WATCHER");
    }),
  );

  it("says so when somebody removes all watches of its path", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      await client.create("/tree");
      const checked = new CheckedCache(client, "/tree");
      await checked.cache.start();
      await client.removeWatches("/tree");
      const last = checked.events.at(-1);
      assert.ok(last?.type === "ended" && last.error.code === "NO_WATCHER");
    }),
  );

  it("refuses a limit that is none", () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      for (const nodesMax of [0, 1.5, Number.NaN]) {
        assert.throws(
          () => new ZnodeCache(client, "/tree", { nodesMax }),
          /nodesMax is .+; it must be a whole number/,
        );
      }
    }));
}
