import assert from "node:assert/strict";
import { it } from "node:test";
import {
  acquireLease,
  acquireLock,
  acquireReadLock,
  acquireWriteLock,
  campaign,
  currentLeader,
  lockContenders,
  tryLock,
  watchLeader,
  type ZooKeeper,
} from "../../../../src/zookeeper/index.ts";
import { failure } from "../../../support/zookeeper-clients.ts";
import type { Kazoo } from "../kazoo.ts";
import { hasChildren, queued } from "../queued.ts";

/** On the same path, locks of kazoo and ours are the same. */
export function kazooLockTests(client: ZooKeeper, kazoo: Kazoo): void {
  it("excludes a lock of kazoo and is excluded by it, in the order in which they came", {
    timeout: 30_000,
  }, async () => {
    const path = "/kazoo/lock";
    const theirs = await kazoo.make("Lock", [path, "theirs"]);
    const first = await acquireLock(client, path, { identifier: "first" });
    const acquired = theirs.call("acquire");
    await queued(client, path, 2);
    const last = acquireLock(client, path, { identifier: "last" });
    const queue = await queued(client, path, 3);
    assert.deepEqual(
      queue.map(({ identifier }) => identifier),
      ["first", "theirs", "last"],
    );
    assert.deepEqual(await theirs.call("contenders"), ["first", "theirs", "last"]);
    await first.release();
    assert.equal(await acquired, true);
    assert.equal(await tryLock(client, path), undefined);
    await theirs.call("release");
    const held = await last;
    assert.ok(held.fencingToken > first.fencingToken);
    assert.equal(await theirs.call("acquire", false), false, "kazoo sees that it is taken");
    await held.release();
    assert.deepEqual(await lockContenders(client, path), []);
  });

  it("lets readers of both in together, and writers of neither with them", { timeout: 30_000 }, async () => {
    const path = "/kazoo/read-write";
    const [reader, writer] = [
      await kazoo.make("ReadLock", [path, "reader"]),
      await kazoo.make("WriteLock", [path, "writer"]),
    ];
    const reading = await acquireReadLock(client, path);
    assert.equal(await reader.call("acquire"), true);
    const theirTurn = writer.call("acquire");
    await queued(client, path, 3);
    const ourTurn = acquireWriteLock(client, path);
    await queued(client, path, 4);
    await reading.release();
    await queued(client, path, 3);
    assert.equal(await writer.call("acquire", false), false, "a reader of kazoo is in");
    await reader.call("release");
    assert.equal(await theirTurn, true);
    assert.equal(await reader.call("acquire", false), false, "a writer of kazoo is in");
    await writer.call("release");
    const writing = await ourTurn;
    assert.equal(await reader.call("acquire", false), false, "our writer is in");
    await writing.release();
    assert.deepEqual(await lockContenders(client, path), []);
  });

  it("shares the leases of a semaphore", { timeout: 30_000 }, async () => {
    const path = "/kazoo/semaphore";
    const first = await acquireLease(client, path, { maxLeases: 2, identifier: "ours" });
    const theirs = await kazoo.make("Semaphore", [path, "theirs"], { max_leases: 2 });
    assert.equal(await theirs.call("acquire"), true);
    const holders = (await theirs.call("lease_holders")) as unknown;
    assert.ok(Array.isArray(holders));
    assert.deepEqual(holders.toSorted(), ["ours", "theirs"]);
    const waiting = acquireLease(client, path, { maxLeases: 2 });
    await queued(client, `${path}-__lock__`, 1);
    const another = await kazoo.make("Semaphore", [path], { max_leases: 2 });
    assert.equal(await another.call("acquire", false), false);
    await theirs.call("release");
    const second = await waiting;
    await hasChildren(client, path, 2);
    assert.equal(await another.call("acquire", false), false);
    await first.release();
    assert.equal(await another.call("acquire"), true);
    await another.call("release");
    await second.release();
    const tooMany = await kazoo.make("Semaphore", [path], { max_leases: 3 });
    await assert.rejects(tooMany.call("acquire"), /Inconsistent max leases: 2, expected: 3/);
    await failure(acquireLease(client, path, { maxLeases: 3 }), "BAD_ARGUMENTS");
  });

  it("elects one leader among candidates of both", { timeout: 30_000 }, async () => {
    const path = "/kazoo/election";
    const theirs = await kazoo.make("Election", [path, "theirs"]);
    const leaders = watchLeader(client, path);
    assert.equal((await leaders.next()).value, undefined);
    assert.equal(await theirs.call("run"), true);
    assert.equal((await leaders.next()).value?.identifier, "theirs");
    const ended = campaign(client, path, async () => (await currentLeader(client, path))?.identifier, {
      identifier: "ours",
    });
    await queued(client, path, 2);
    assert.deepEqual(await theirs.call("contenders"), ["theirs", "ours"]);
    await theirs.call("stop");
    assert.equal(await ended, "ours");
  });
}
