import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KvClient, type KvClientOptions, KvError } from "kvlab";
import { until } from "../support/until.ts";
import { startToyServer, type ToyServer, topologyOf } from "./toy-cluster.ts";

const timeout = 30_000;

/** A call that a server has, and that is answered when the test says so. */
interface Held {
  readonly key: string;
  answer(): void;
}

async function withServer(
  options: Partial<KvClientOptions>,
  run: (kv: KvClient, server: ToyServer, held: Held[]) => Promise<void>,
): Promise<void> {
  const held: Held[] = [];
  const server = await startToyServer({
    get: ({ key }) =>
      new Promise((resolve) => held.push({ key, answer: () => resolve({ revision: BigInt(key) }) })),
  });
  server.tell(topologyOf({ g: server.address }));
  const kv = new KvClient({ routers: server.address, ...options });
  try {
    await run(kv, server, held);
  } finally {
    kv.close();
    await server.close();
  }
}

describe("calls to one node", () => {
  it("that come together share messages, and one alone waits for none", { timeout }, () =>
    withServer({}, async (kv, server, held) => {
      const alone = kv.get("1");
      await until("the first call has come", 5_000, () => held.length === 1);
      assert.deepEqual(server.messages, [1]);
      // The server begins few gets of a stream before it knows how long the values are.
      held[0]?.answer();
      await alone;
      const many = Array.from({ length: 200 }, (_, i) => kv.get(`${i + 2}`));
      await until("all calls have come", 5_000, () => held.length === 201);
      assert.ok(server.messages.length <= 5, `they came in ${server.messages.length} messages`);
      for (const { answer } of held) answer();
      await Promise.all(many);
    }),
  );

  it("are answered in any order", { timeout }, () =>
    withServer({}, async (kv, _server, held) => {
      const order: number[] = [];
      const calls = [1, 2, 3].map(async (i) => {
        const entry = await kv.get(`${i}`);
        assert.equal(entry?.revision, i);
        order.push(i);
      });
      await until("all calls have come", 5_000, () => held.length === 3);
      for (const [done, { answer }] of held.toReversed().entries()) {
        answer();
        await until("it is answered", 5_000, () => order.length === done + 1);
      }
      await Promise.all(calls);
      assert.deepEqual(order, [3, 2, 1]);
    }),
  );

  it("wait for room, and are not sent when they are given up meanwhile", { timeout }, () =>
    withServer({ operationsInFlightMax: 2 }, async (kv, _server, held) => {
      const controller = new AbortController();
      const calls = [1, 2].map((i) => kv.get(`${i}`));
      await until("two calls have come", 5_000, () => held.length === 2);
      const givenUp = kv.get("3", { signal: controller.signal });
      const last = kv.get("4");
      controller.abort();
      await assert.rejects(givenUp, (error) => error instanceof KvError && error.code === "aborted");
      assert.equal(held.length, 2);
      held[0]?.answer();
      await until("another call has come", 5_000, () => held.length === 3);
      assert.equal(held[2]?.key, "4");
      for (const { answer } of held) answer();
      await Promise.all([...calls, last]);
    }),
  );

  it("that are given up make room for others", { timeout }, () =>
    withServer({ operationsInFlightMax: 1 }, async (kv, _server, held) => {
      await assert.rejects(kv.get("1", { deadlineMs: 100 }));
      const next = kv.get("2");
      await until("the next call has come", 5_000, () => held.length === 2);
      for (const { answer } of held) answer();
      assert.equal((await next)?.revision, 2);
    }),
  );

  it("wait for room in bytes, but a large one alone does not", { timeout }, () =>
    withServer({ bytesInFlightMax: 1_000 }, async (kv, server) => {
      let underWay = 0;
      let most = 0;
      server.put = async ({ value }) => {
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay--;
        return { revision: BigInt(value.value?.length ?? 0) };
      };
      const sizes = [600, 600, 600, 5_000, 400_000];
      const written = await Promise.all(sizes.map((size) => kv.put("a", new Uint8Array(size))));
      assert.deepEqual(
        written.map(({ revision }) => revision),
        sizes,
      );
      // The largest goes by itself, beside the others.
      assert.ok(most <= 2, `${most} were under way at a time`);
    }),
  );
});
