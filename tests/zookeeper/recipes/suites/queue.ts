import assert from "node:assert/strict";
import { it } from "node:test";
import { Queue } from "../../../../src/zookeeper/recipes/index.ts";
import { failReads, loseAnswers } from "../../../support/lost-answers.ts";
import { PythonProgram } from "../../../support/python-program.ts";
import { bytes, failure, text, withClients } from "../../../support/zookeeper-clients.ts";

const timeout = 30_000;

/** Queues: also together with kazoo's LockingQueue. */
export function queueTests(connectString: string): void {
  it("gives items by priority, and those of the same one in the order of the puts", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const queue = new Queue(client, "/queue");
      for (const [data, priority] of [
        ["late", 999],
        ["b", 100],
        ["c", 100],
        ["a", 7],
      ] as const) {
        await queue.put(bytes(data), { priority });
      }
      const first = await queue.take();
      assert.equal(text(first.data), "a");
      await queue.put(bytes("urgent"), { priority: 0 });
      assert.equal(text((await queue.take()).data), "urgent");
      await first.done();
      assert.equal(await queue.size(), 4);
      assert.equal(text((await queue.take()).data), "b");
    }),
  );

  it("gives an item to one taker at a time", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const clients = await Promise.all([connect(), connect(), connect()]);
      const [producer] = clients;
      const names = Array.from({ length: 60 }, (_, index) => `item ${index}`);
      for (const name of names) await new Queue(producer, "/queue").put(bytes(name));
      const taken: string[] = [];
      const all = new AbortController();
      const work = async (queue: Queue) => {
        for (;;) {
          const item = await queue.take({ signal: all.signal });
          taken.push(text(item.data));
          await item.done();
          if (taken.length === names.length) all.abort();
        }
      };
      await Promise.all(clients.map((client) => failure(work(new Queue(client, "/queue")), "ABORTED")));
      assert.deepEqual(taken.sort(), names.toSorted());
      assert.equal(await new Queue(producer, "/queue").size(), 0);
    }),
  );

  it("waits for an item", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const [taker, producer] = await Promise.all([connect(), connect()]);
      const taking = [1, 2].map(() => new Queue(taker, "/queue").take());
      await new Queue(producer, "/queue").put(bytes("one"));
      await new Queue(producer, "/queue").put(bytes("two"));
      assert.deepEqual((await Promise.all(taking)).map(({ data }) => text(data)).sort(), ["one", "two"]);
    }),
  );

  it("gives an item to others when its taker's session ends", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const [taker, other] = await Promise.all([connect(), connect()]);
      await new Queue(other, "/queue").put(bytes("one"));
      const item = await new Queue(taker, "/queue").take();
      const next = new Queue(other, "/queue").take();
      assert.equal(item.signal.aborted, false);
      await taker.close();
      assert.equal(item.signal.aborted, true);
      assert.equal(text((await next).data), "one");
      await failure(item.done(), "CLOSED");
    }),
  );

  it("gives an item that was released to others, and never takes it back from them", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const [taker, other] = await Promise.all([connect(), connect()]);
      const queue = new Queue(taker, "/queue");
      await queue.put(bytes("one"));
      const item = await queue.take();
      await item.release();
      const next = await new Queue(other, "/queue").take();
      await item.release();
      await failure(item.done(), "BAD_ARGUMENTS");
      assert.equal((await taker.children("/queue/taken")).children.length, 1, "the claim is still there");
      await next.done();
      await next.done();
      assert.equal(await queue.size(), 0);
    }),
  );

  it("gives an item back once when it is released twice at a time", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const [taker, other] = await Promise.all([connect(), connect()]);
      await new Queue(taker, "/queue").put(bytes("one"));
      const item = await new Queue(taker, "/queue").take();
      const taking = new Queue(other, "/queue").take();
      const remove = taker.delete.bind(taker);
      let deletions = 0;
      // A second one would come late: when somebody else has the item.
      const removeLater = async (...args: Parameters<typeof remove>) => {
        if (++deletions > 1) await taking;
        await remove(...args);
      };
      Object.defineProperty(taker, "delete", { value: removeLater });
      await Promise.all([item.release(), item.release()]);
      await taking;
      assert.equal((await taker.children("/queue/taken")).children.length, 1, "the claim is still there");
    }),
  );

  it("keeps no claim for a taker that gives up, at whatever moment", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const [taker, other] = await Promise.all([connect(), connect()]);
      const queue = new Queue(taker, "/queue");
      await queue.put(bytes("one"));
      for (let turns = 0; turns < 40; turns++) {
        const giveUp = new AbortController();
        const taking = queue.take({ signal: giveUp.signal });
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        giveUp.abort();
        const item = await taking.catch((error) => void assert.equal(error.code, "ABORTED"));
        await item?.release();
      }
      const next = await new Queue(other, "/queue").take();
      assert.equal(text(next.data), "one");
    }),
  );

  it("sets no watch more for each taker that has waited in vain", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const queue = new Queue(client, "/queue");
      for (let round = 0; round < 50; round++) {
        const giveUp = new AbortController();
        const taking = queue.take({ signal: giveUp.signal });
        if (round % 2 === 0) await client.exists("/");
        giveUp.abort();
        await failure(taking, "ABORTED");
      }
      const reads: string[] = [];
      const children = client.children.bind(client);
      client.children = (path, options) => {
        reads.push(path);
        return children(path, options);
      };
      const taking = queue.take();
      await queue.put(bytes("one"));
      await taking;
      assert.deepEqual(reads, ["/queue/entries", "/queue/taken"]);
    }),
  );

  for (const what of ["answers", "requests"] as const) {
    it(`claims and removes each item once when ${what} are lost`, { timeout }, () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect();
        const queue = new Queue(client, "/queue");
        for (const data of ["0", "1", "2"]) await queue.put(bytes(data));
        const lost = loseAnswers(client, "multi", what);
        for (const data of ["0", "1", "2"]) {
          const item = await queue.take();
          assert.equal(text(item.data), data);
          await item.done();
        }
        assert.ok(lost() >= 3);
        assert.equal(await queue.size(), 0);
        assert.deepEqual((await client.children("/queue/taken")).children, []);
      }),
    );
  }

  it("knows its claim whose answer was lost also when the next server only reads", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const queue = new Queue(client, "/queue");
      await queue.put(bytes("one"));
      loseAnswers(client, "multi", "answers");
      failReads(client, "sync", 1, "READ_ONLY");
      const item = await queue.take();
      assert.equal(text(item.data), "one");
      await item.done();
      assert.equal(await queue.size(), 0);
    }),
  );

  it(
    "says after a lost answer that an item may have been put, and puts none twice by itself",
    { timeout },
    () =>
      withClients(connectString, async ({ connect }) => {
        const client = await connect();
        const queue = new Queue(client, "/queue");
        await queue.put(bytes("one"));
        loseAnswers(client, "create", "answers");
        const { maybeApplied } = await failure(queue.put(bytes("two")), "CONNECTION_LOSS");
        assert.equal(maybeApplied, true);
        assert.equal(await queue.size(), 2);
      }),
  );

  it("shares a queue with kazoo", { timeout }, () =>
    withClients(connectString, async ({ connect, root }) => {
      const client = await connect();
      const ours = new Queue(client, "/queue");
      const program = new PythonProgram("../zookeeper/recipes/kazoo-queue.py", [
        connectString,
        `${root}/queue`,
      ]);
      const theirs = async (...call: (string | number)[]) => {
        program.tell(JSON.stringify(call));
        return await program.next<string | boolean | number>();
      };
      try {
        await theirs("put", "theirs", 50);
        await ours.put(bytes("ours"), { priority: 20 });
        await ours.put(bytes("ours, later"));
        assert.equal(await theirs("get"), "ours", "the first one of all");
        const item = await ours.take();
        assert.equal(text(item.data), "theirs", "kazoo has claimed the first one");
        assert.equal(await theirs("consume"), true);
        assert.equal(await theirs("get"), "ours, later", "we have claimed the first one");
        assert.equal(await theirs("release"), true);
        await item.done();
        const last = await ours.take();
        assert.equal(text(last.data), "ours, later");
        assert.equal(await theirs("get", 0.1), null, "all are claimed");
        assert.equal(await theirs("size"), 1);
        await last.release();
        assert.equal(await theirs("get"), "ours, later");
        const next = ours.take();
        program.kill();
        assert.equal(text((await next).data), "ours, later", "kazoo has died");
      } finally {
        program.kill();
      }
    }),
  );

  it("reads a long list seldom", { timeout: 60_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const queue = new Queue(client, "/queue");
      await queue.put(bytes("first"), { priority: 0 });
      for (let batch = 0; batch < 5; batch++) {
        const path = "/queue/entries/entry-100-";
        const create = { type: "create", path, mode: "persistent-sequential" } as const;
        await client.multi(Array.from({ length: 1000 }, () => create));
      }
      let lists = 0;
      const children = client.children.bind(client);
      client.children = (path, options) => {
        lists++;
        return children(path, options);
      };
      for (let count = 0; count < 100; count++) await (await queue.take()).done();
      assert.ok(lists <= 8, `${lists} lists for 100 of 5,000 items`);
      assert.equal(await queue.size(), 4901);
    }),
  );

  it("refuses a priority that kazoo does not know", { timeout }, () =>
    withClients(connectString, async ({ connect }) => {
      const queue = new Queue(await connect(), "/queue");
      for (const priority of [-1, 1000, 1.5]) {
        const { message } = await failure(queue.put(bytes("one"), { priority }), "BAD_ARGUMENTS");
        assert.match(message, new RegExp(`priority is ${priority}; it must be a whole number from 0 to 999`));
      }
    }),
  );
}
