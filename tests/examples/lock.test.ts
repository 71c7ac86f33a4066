import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { KvClient } from "kvlab";
import { acquireLock, putFenced } from "../../examples/lock.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";
import { startExample } from "./example-process.ts";

const cluster = await startEmbeddedCluster();
const routers = cluster.routers.map(({ address }) => address);
const [client, other] = [new KvClient({ routers }), new KvClient({ routers })];
after(async () => {
  client.close();
  other.close();
  await cluster.close();
});

test("one holder at a time has the lock, and each has a greater token", { timeout: 60_000 }, async () => {
  const holders = Array.from({ length: 12 }, (_, index) => `holder ${index}`);
  const tokens: number[] = [];
  let inside = 0;
  await Promise.all(
    holders.map(async (holder, index) => {
      const lock = await acquireLock(index % 2 ? client : other, "lock/busy", { holder, ttlMs: 30_000 });
      assert.equal(++inside, 1, "nobody else is inside");
      tokens.push(lock.token);
      await client.put("inside", holder);
      inside--;
      await lock.release();
    }),
  );
  assert.deepEqual(
    tokens,
    [...tokens].sort((a, b) => a - b),
  );
  assert.equal(new Set(tokens).size, holders.length);
  assert.equal(await client.get("lock/busy"), undefined, "the last one has given it back");
});

test("a lock outlives its time as long as its holder prolongs it", { timeout: 60_000 }, async () => {
  const watch = client.watch({ key: "lock/long" });
  await watch.ready();
  const lock = await acquireLock(client, "lock/long", { holder: "a", ttlMs: 1_500 });
  const types: string[] = [];
  // Each put after the first prolongs it after a third of its time: four are more than all of it.
  for await (const { type } of watch) {
    types.push(type);
    if (types.length === 5) break;
  }
  assert.deepEqual(new Set(types), new Set(["put"]));
  assert.equal(lock.lost.aborted, false);
  await lock.release();
});

test("a holder whose lock was taken away is told so, and leaves the new holder's lock alone", {
  timeout: 60_000,
}, async () => {
  const lock = await acquireLock(client, "lock/taken", { holder: "a", ttlMs: 600 });
  const lost = once(lock.lost, "abort");
  await other.delete("lock/taken");
  const next = await acquireLock(other, "lock/taken", { holder: "b", ttlMs: 30_000 });
  await lost;
  await lock.release();
  assert.equal((await client.get("lock/taken"))?.text(), "b");
  assert.ok(next.token > lock.token);
  await next.release();
});

test("a caller that gives up waiting for the lock never gets it", { timeout: 60_000 }, async () => {
  const lock = await acquireLock(client, "lock/kept", { holder: "a", ttlMs: 30_000 });
  const giveUp = new AbortController();
  const waiting = acquireLock(other, "lock/kept", { holder: "b", ttlMs: 30_000, signal: giveUp.signal });
  giveUp.abort();
  await assert.rejects(waiting, { name: "KvError", code: "aborted" });
  assert.equal((await client.get("lock/kept"))?.text(), "a");
  await lock.release();
});

test("a write with the token of an earlier holder is refused", { timeout: 60_000 }, async () => {
  await putFenced(client, "guarded/direct", "first", 7);
  await putFenced(client, "guarded/direct", "the same holder again", 7);
  await putFenced(other, "guarded/direct", "the next holder", 9);
  await assert.rejects(putFenced(client, "guarded/direct", "late", 7), /token 7 is too old.+token 9/);
  assert.deepEqual(JSON.parse((await client.get("guarded/direct"))?.text() ?? ""), {
    token: 9,
    text: "the next holder",
  });
});

test("a holder that was paused for longer than its time is fenced off", { timeout: 60_000 }, async () => {
  const env = { KVLAB_ROUTERS: routers.join(",") };
  const alice = startExample("examples/lock.ts", env, 0);
  const bob = startExample("examples/lock.ts", env, 1);
  try {
    const [first, second] = await Promise.race([
      alice.says(/alice has written 1/).then(() => [alice, bob] as const),
      bob.says(/bob has written 1/).then(() => [bob, alice] as const),
    ]);
    await second.says(/waits for the lock/);
    first.signal("SIGSTOP");
    await second.says(/has written 1/);
    first.signal("SIGCONT");
    assert.equal(await first.exited(), 1, first.output());
    const [, late] = /token (\d+) is too old/.exec(first.output()) ?? assert.fail(first.output());
    second.signal("SIGTERM");
    assert.equal(await second.exited(), 0, second.output());
    assert.match(second.output(), /has given the lock back/);
    const kept = JSON.parse((await client.get("guarded/demo"))?.text() ?? "");
    assert.ok(kept.token > Number(late));
    assert.equal(kept.text.split(" ")[0], second === bob ? "bob" : "alice");
    assert.equal(await client.get("lock/demo"), undefined);
  } finally {
    await Promise.all([alice.kill(), bob.kill()]);
  }
});
