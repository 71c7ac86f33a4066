// runtimes: node
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { type ExampleProcess, startExample } from "../example-process.ts";

const zookeeper = await startZooKeeper();
after(() => zookeeper.close());
const env = { ZK_SERVERS: zookeeper.connectString };

async function withExamples(examples: readonly ExampleProcess[], body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } finally {
    await Promise.all(examples.map((example) => example.kill()));
  }
}

test("a job of the queue is done by another worker when its worker is killed", {
  timeout: 60_000,
}, async () => {
  const producer = startExample("examples/zookeeper/queue.ts", env, 0);
  const first = startExample("examples/zookeeper/queue.ts", env, 1);
  await withExamples([producer, first], async () => {
    assert.equal(await producer.exited(), 0, producer.output());
    await first.says(/begins: send the letter/);
    await first.kill();
    const second = startExample("examples/zookeeper/queue.ts", env, 1);
    await withExamples([second], async () => {
      await second.says(/done: send the letter/);
      second.signal("SIGTERM");
      assert.equal(await second.exited(), 0, second.output());
    });
  });
});

test("a client calls the servers that are well, and the cache shows them", { timeout: 60_000 }, async () => {
  const [first, second, client] = [0, 1, 2].map((index) =>
    startExample("examples/zookeeper/discovery.ts", env, index),
  );
  const cache = startExample("examples/zookeeper/cache.ts", env, 0);
  assert.ok(first && second && client);
  await withExamples([first, second, client, cache], async () => {
    await client.says(/calls 127\.0\.0\.1:8001/);
    await client.says(/calls 127\.0\.0\.1:8002/);
    await cache.says(/[+] \/examples\/services\/web\/.+ \d+ bytes/);
    first.type("ill");
    await client.says(/(calls 127\.0\.0\.1:8002\n){3}/);
    second.type();
    assert.equal(await second.exited(), 0, second.output());
    await client.says(/nobody serves/);
    cache.signal("SIGTERM");
    assert.equal(await cache.exited(), 0, cache.output());
  });
});

test("a transfer between two banks is committed, and one too many aborted", { timeout: 60_000 }, async () => {
  const file = "examples/zookeeper/two-phase-commit.ts";
  const [alpha, beta] = [startExample(file, env, 0), startExample(file, env, 1)];
  await withExamples([alpha, beta], async () => {
    await Promise.all([alpha.says(/alpha is open with 100/), beta.says(/beta is open with 20/)]);
    const transfers: string[] = [];
    for (let count = 0; count < 2; count++) {
      const transfer = startExample(file, env, 2);
      await withExamples([transfer], async () => {
        assert.equal(await transfer.exited(), 0, transfer.output());
        transfers.push(transfer.output().trim());
      });
    }
    assert.deepEqual(transfers, ["committed", "aborted: voted against by alpha"]);
    await Promise.all([alpha.says(/alpha has 30/), beta.says(/beta has 90/)]);
    await Promise.all([alpha.says(/alpha still has 30/), beta.says(/beta still has 90/)]);
  });
});
