import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withLock } from "../../../src/cluster/membership/zk-lock.ts";
import { encodeText } from "../../../src/cluster/metadata/codec.ts";
import type { Task } from "../../../src/cluster/metadata/retry-on-connection-loss.ts";
import type { Coordination } from "../../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../../src/coordination/embedded/service.ts";
import { faultySessions, withEachFault } from "../../support/faulty-sessions.ts";
import { interceptedSession } from "../../support/intercepted-session.ts";
import { type SkippingClock, skippingClock } from "../../support/skipping-clock.ts";

async function start() {
  const clock = skippingClock();
  const service = await EmbeddedCoordination.start({ clock });
  const observer = await service.opener()();
  await observer.create("/lock", new Uint8Array(), "persistent");
  return { clock, service, observer, open: service.opener() };
}

function taskOf(
  session: Coordination,
  clock: SkippingClock,
  signal = new AbortController().signal,
  onDiagnostic: (message: string) => void = () => {},
): Task {
  return { session, clock, signal, access: "open", onDiagnostic };
}

describe("withLock", () => {
  it("lets in one at a time, in the order in which they asked, and leaves nothing behind", async () => {
    const { clock, observer, open } = await start();
    const order: number[] = [];
    let inside = 0;
    const sessions = await Promise.all([open(), open(), open()]);
    const calls = [0, 1, 2, 3, 4, 5].map((caller) => {
      const session = sessions[caller % 3] ?? observer;
      return withLock(taskOf(session, clock), "/lock", "us:1", async () => {
        assert.equal(++inside, 1);
        await session.sync("/");
        order.push(caller);
        inside--;
        return caller;
      });
    });
    assert.deepEqual(await Promise.all(calls), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await observer.children("/lock"), []);
  });

  it("wakes one waiter by each release", async () => {
    const { clock, service } = await start();
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const holder = withLock(taskOf(await service.opener()(), clock), "/lock", "us:1", () => held);
    await clock.idle();
    const waiters = [1, 2, 3].map(() => faultySessions(service, () => undefined));
    const { promise: finish, resolve: finishAll } = Promise.withResolvers<void>();
    const calls = waiters.map(async ({ open }) =>
      withLock(taskOf(await open(), clock), "/lock", "us:1", () => finish),
    );
    await clock.idle();
    const before = waiters.map(({ operations }) => operations);
    letGo();
    await holder;
    await clock.idle();
    const busy = waiters.filter(({ operations }, index) => operations !== before[index]);
    assert.equal(busy.length, 1);
    finishAll();
    await Promise.all(calls);
  });

  it("gives the lock back when the work fails", async () => {
    const { clock, observer } = await start();
    await assert.rejects(
      withLock(taskOf(observer, clock), "/lock", "us:1", () => Promise.reject(new Error("work"))),
      /work/,
    );
    assert.deepEqual(await observer.children("/lock"), []);
  });

  it("stops waiting when it is called off, and leaves the line", async () => {
    const { clock, observer, open } = await start();
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const holder = withLock(taskOf(observer, clock), "/lock", "us:1", () => held);
    const controller = new AbortController();
    const waiter = withLock(taskOf(await open(), clock, controller.signal), "/lock", "us:1", assert.fail);
    await clock.idle();
    controller.abort(new Error("called off"));
    await assert.rejects(waiter, /called off/);
    assert.equal((await observer.children("/lock")).length, 1);
    letGo();
    await holder;
  });

  it("leaves nothing behind when it is called off before it knows whether it has a node", async () => {
    const { clock, service, observer, open } = await start();
    const inner = await open();
    const calls: string[] = [];
    const session = interceptedSession(inner, ({ name }, perform) => {
      calls.push(name);
      return perform();
    });
    service.loseNext(inner, "answer");
    const controller = new AbortController();
    const waiter = withLock(taskOf(session, clock, controller.signal), "/lock", "us:1", assert.fail);
    inner.onState(() => controller.abort(new Error("called off")));
    clock.timer(1, () => service.reconnect(inner));
    await assert.rejects(waiter, /called off/);
    assert.deepEqual(await observer.children("/lock"), []);
    // A server that lags behind would not show the node without the sync.
    assert.deepEqual(calls.slice(0, calls.indexOf("children")).at(-1), "sync");
  });

  it("does not take the node of another call for its own when the answer to its creation was lost", async () => {
    for (const sameSession of [true, false]) {
      const { clock, service, observer, open } = await start();
      const session = await open();
      const other = sameSession ? taskOf(session, clock) : taskOf(observer, skippingClock());
      const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
      let inside = 0;
      const holder = withLock(other, "/lock", "us:1", () => held.then(() => inside++));
      await clock.idle();
      service.loseNext(session, "request");
      const waiter = withLock(
        taskOf(session, sameSession ? clock : skippingClock()),
        "/lock",
        "us:1",
        async () => {
          assert.equal(inside, 1);
        },
      );
      clock.timer(1, () => service.reconnect(session));
      await clock.idle();
      letGo();
      await Promise.all([holder, waiter]);
      assert.deepEqual(await observer.children("/lock"), []);
    }
  });

  it("passes to the next when the session that holds it expires", async () => {
    const { clock, service, observer, open } = await start();
    const session = await open();
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const holder = withLock(taskOf(session, clock), "/lock", "us:1", () => held);
    const waiter = withLock(taskOf(await open(), clock), "/lock", "us:1", async () => "next");
    await clock.idle();
    service.expire(session);
    assert.equal(await waiter, "next");
    letGo();
    await holder;
    assert.deepEqual(await observer.children("/lock"), []);
  });

  it("touches no node but its own, and is held up only by nodes of ours", async () => {
    const { clock, observer, open } = await start();
    const others = ["note", "zzz-0000000000", "lock-", "lock-1", "lock-0000000000"];
    for (const name of others) await observer.create(`/lock/${name}`, encodeText("1"), "persistent");
    for (const name of ["other-", "lock", "write-lock-"]) {
      others.push((await observer.create(`/lock/${name}`, encodeText("2"), "ephemeral-sequential")).slice(6));
    }
    assert.equal(await withLock(taskOf(await open(), clock), "/lock", "us:1", async () => "mine"), "mine");
    assert.deepEqual((await observer.children("/lock")).sort(), others.sort());
  });

  it("says after a moment for whom it waits, once", async () => {
    const { clock, observer, open } = await start();
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const holder = withLock(taskOf(observer, clock), "/lock", "10.0.0.1:2000", () => held);
    await clock.idle();
    const told: [number, string][] = [];
    const onDiagnostic = (message: string) => told.push([clock.monotonicMs(), message]);
    const waiter = withLock(
      taskOf(await open(), clock, undefined, onDiagnostic),
      "/lock",
      "us:1",
      async () => "mine",
    );
    await clock.idle();
    assert.deepEqual(told, [
      [
        3000,
        "waiting for 10.0.0.1:2000 to give the lock /lock/lock-0000000000 back; it goes with the session of that " +
          "process, should that hang; if there is no such process, delete the znode",
      ],
    ]);
    letGo();
    await holder;
    assert.equal(await waiter, "mine");
    await clock.idle();
    assert.equal(told.length, 1);
  });

  it("says so when somebody else has deleted its node while it waited", async () => {
    const { clock, observer, open } = await start();
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const holder = withLock(taskOf(observer, clock), "/lock", "us:1", () => held);
    await clock.idle();
    const waiter = withLock(taskOf(await open(), clock), "/lock", "us:1", assert.fail);
    await clock.idle();
    const [first, second] = (await observer.children("/lock")).sort();
    await observer.delete(`/lock/${second}`, 0);
    await observer.delete(`/lock/${first}`, 0);
    await assert.rejects(waiter, /deleted by somebody else/);
    letGo();
    await holder;
  });

  it("survives a lost connection or session at any operation without leaving a node or holding it twice", async () => {
    await withEachFault(async (faultAt, fault, at) => {
      const { clock, service, observer } = await start();
      const before = await observer.create("/lock/lock-", encodeText("x"), "ephemeral-sequential");
      const sessions = faultySessions(service, faultAt);
      let inside = 0;
      const call = withLock(taskOf(await sessions.open(), clock), "/lock", "us:1", async () => {
        assert.ok((await observer.children("/lock")).length <= 1);
        inside++;
      });
      call.catch(() => {});
      await clock.idle();
      assert.equal(inside, 0);
      await observer.delete(before, 0);
      const error = await call.then(
        () => undefined,
        (reason: Error) => reason,
      );
      if (fault.startsWith("expired") && sessions.operations >= at)
        assert.match(error?.message ?? "expired", /expired/);
      else assert.equal(error, undefined);
      assert.ok(inside <= 1);
      assert.deepEqual(await observer.children("/lock"), []);
      return sessions;
    });
  });
});
