// runtimes: node
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startZooKeeper } from "../../support/zookeeper.ts";
import { type ExampleProcess, startExample } from "../example-process.ts";

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper();
after(() => zookeeper.close());

/** Starts both commands of an example, for `body`. */
async function withBoth(
  name: string,
  body: (first: ExampleProcess, second: ExampleProcess) => Promise<void>,
): Promise<void> {
  const env = { ZK_SERVERS: zookeeper.connectString };
  const [first, second] = [0, 1].map((index) => startExample(`examples/zookeeper/${name}.ts`, env, index));
  assert.ok(first !== undefined && second !== undefined);
  try {
    await body(first, second);
  } finally {
    await Promise.all([first.kill(), second.kill()]);
  }
}

for (const [name, last] of [
  ["lock", /has given it back/],
  ["read-write-lock", /has given the \w+ lock back/],
  ["semaphore", /has given it back/],
  ["barrier", /has passed|is lifted/],
  ["double-barrier", /goes on/],
  ["counter", /now it is \d+/],
] as const) {
  test(`both commands of ${name}.ts do their work and end`, { timeout: 60_000 }, () =>
    withBoth(name, async (...both) => {
      for (const each of both) {
        assert.equal(await each.exited(), 0, each.output());
        assert.match(each.output(), last);
      }
      if (name !== "counter") return;
      const numbers = both.flatMap((each) =>
        [...each.output().matchAll(/now it is (\d+)/g)].map(([, n]) => n),
      );
      assert.equal(new Set(numbers).size, 20);
      assert.ok(numbers.includes("20"));
    }),
  );
}

test(
  "of election.ts, the next one leads when the leader ends, and each knows who leads",
  {
    timeout: 60_000,
  },
  () =>
    withBoth("election", async (alice, bob) => {
      const [, leader] = await alice.says(/the leader is (alice|bob)/);
      const [first, second] = leader === "alice" ? [alice, bob] : [bob, alice];
      await second.says(new RegExp(`the leader is ${leader}`));
      first.signal("SIGTERM");
      assert.equal(await first.exited(), 0, first.output());
      await second.says(/leads, with token \d+/);
      await second.says(/the leader is (?:alice|bob)\n[\s\S]*the leader is (?:alice|bob)/);
    }),
);

test("of group.ts, one that is killed is not listed any more", { timeout: 60_000 }, () =>
  withBoth("group", async (alice, bob) => {
    await alice.says(/running: alice, bob/);
    await bob.kill();
    await alice.says(/running: alice, bob\n[\s\S]*running: alice$/m);
  }),
);
