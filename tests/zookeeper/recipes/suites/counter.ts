import assert from "node:assert/strict";
import { it } from "node:test";
import { Counter, ZooKeeper } from "../../../../src/zookeeper/index.ts";
import type { TcpProxy } from "../../../support/tcp-proxy.ts";
import { failure, inState, withClients } from "../../../support/zookeeper-clients.ts";

/** The answer to `get` of a number of one digit, and so the first byte of the next answer. */
const READ_BYTES = 4 + 16 + 4 + 1 + 68;

/** Loses the connection with the answer to the next addition, which is made. */
async function loseAnswer(client: ZooKeeper, proxy: TcpProxy): Promise<void> {
  proxy.cutAfter(READ_BYTES + 1);
  await inState(client, "disconnected");
}

export function counterTests(connectString: string): void {
  it("counts what several add at once", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const clients = await Promise.all([connect(), connect()]);
      const sums = await Promise.all(
        clients.flatMap((client) => {
          const counter = new Counter(client, "/a/counter", 5);
          return [1, 2, 3, 4, 5].map(() => counter.add(1));
        }),
      );
      assert.deepEqual(
        sums.sort((a, b) => a - b),
        [6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
      );
    }),
  );

  it("adds once, whether or not the answer is lost", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      const counter = new Counter(client, "/counter");
      await counter.add(1);
      const sum = counter.add(1);
      await loseAnswer(client, proxy);
      assert.equal(await new Counter(other, "/counter").value(), 2);
      proxy.setMode("pass");
      assert.equal(await sum, 2);
      assert.equal(await counter.add(1), 3);
    }),
  );

  it("says when it may have added, and when it has not", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy, root }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      const counter = new Counter(client, "/counter");
      await counter.add(1);
      const giveUp = new AbortController();
      const adding = counter.add(1, { signal: giveUp.signal });
      const waiting = counter.add(1, { signal: giveUp.signal });
      await loseAnswer(client, proxy);
      assert.equal(await new Counter(other, "/counter").value(), 2);
      giveUp.abort();
      assert.ok((await failure(adding, "ABORTED")).maybeApplied);
      assert.equal((await failure(waiting, "ABORTED")).maybeApplied, false);
      proxy.setMode("pass");
      assert.equal(await counter.add(1), 3);
      const last = counter.add(1);
      await loseAnswer(client, proxy);
      const thief = await ZooKeeper.connect({ servers: connectString + root, resume: client.identity });
      await thief.close();
      proxy.setMode("pass");
      assert.ok((await failure(last, "SESSION_EXPIRED")).maybeApplied);
    }),
  );

  it("starts anew when the counter or its marker was deleted", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const counter = new Counter(client, "/counter");
      assert.equal(await counter.add(7), 7);
      const { children } = await client.children("/counter");
      for (const name of children) await client.delete(`/counter/${name}`);
      assert.equal(await counter.add(1), 8);
      await client.deleteAll("/counter");
      assert.equal(await counter.add(1), 1);
    }),
  );

  it("refuses what is no number, or whole and not exact", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const counter = new Counter(client, "/counter", Number.MAX_SAFE_INTEGER);
      const error = await failure(counter.add(1), "BAD_ARGUMENTS");
      assert.match(error.message, /^\/counter: the sum of 9007199254740991 and 1 is not allowed; allowed: /);
      await failure(counter.add(Number.NaN), "BAD_ARGUMENTS");
      assert.equal(await counter.add(-1), Number.MAX_SAFE_INTEGER - 1);
    }),
  );
}
