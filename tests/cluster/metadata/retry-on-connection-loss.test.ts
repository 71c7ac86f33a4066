import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  retryOnConnectionLoss,
  untilTouched,
} from "../../../src/cluster/metadata/retry-on-connection-loss.ts";
import { CoordinationError } from "../../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../../src/coordination/embedded/service.ts";
import { interceptedSession } from "../../support/intercepted-session.ts";
import { skippingClock } from "../../support/skipping-clock.ts";

async function start() {
  const clock = skippingClock();
  const service = await EmbeddedCoordination.start({ clock });
  const inner = await service.opener()();
  const calls: string[] = [];
  const session = interceptedSession(inner, ({ name }, perform) => {
    calls.push(name);
    return perform();
  });
  return { clock, service, inner, session, calls };
}

describe("retryOnConnectionLoss", () => {
  it("repeats a lost step once connected, after a sync, so that it sees what it has done", async () => {
    const { clock, service, inner, session, calls } = await start();
    const created = retryOnConnectionLoss({ session, clock }, async () => {
      if ((await session.exists("/a")) !== undefined) return;
      service.loseNext(inner, "answer");
      await session.create("/a", new Uint8Array(), "persistent");
    });
    clock.timer(5, () => service.reconnect(inner));
    await created;
    assert.deepEqual(calls, ["exists", "create", "sync", "exists"]);
    assert.ok(await inner.exists("/a"));
  });

  it("passes on every other error, and the end of the session", async () => {
    const { clock, service, inner, session } = await start();
    await assert.rejects(
      retryOnConnectionLoss({ session, clock }, () => session.get("/none")),
      { code: "NO_NODE" },
    );
    service.disconnect(inner);
    const lost = retryOnConnectionLoss({ session, clock }, () => session.get("/none"));
    service.expire(inner);
    service.reconnect(inner);
    await assert.rejects(lost, { code: "SESSION_EXPIRED" });
  });

  it("waits no longer when it is called off", async () => {
    const { clock, service, inner, session } = await start();
    const controller = new AbortController();
    service.disconnect(inner);
    const lost = retryOnConnectionLoss({ session, clock, signal: controller.signal }, () =>
      session.get("/none"),
    );
    controller.abort(new Error("enough"));
    await assert.rejects(lost, /enough/);
  });

  it("makes longer and longer pauses while every attempt is lost", async () => {
    const { clock, session } = await start();
    const attemptsMs: number[] = [];
    await retryOnConnectionLoss({ session, clock }, async () => {
      attemptsMs.push(clock.monotonicMs());
      if (attemptsMs.length < 12) throw new CoordinationError("CONNECTION_LOSS", "lost");
    });
    const pausesMs = attemptsMs.slice(1).map((atMs, index) => atMs - (attemptsMs[index] ?? 0));
    assert.equal(pausesMs[0], 0);
    for (const pauseMs of pausesMs.slice(1)) assert.ok(pauseMs >= 10 && pauseMs <= 2000);
    assert.ok((pausesMs.at(-1) ?? 0) >= 1000);
  });
});

describe("untilTouched", () => {
  it("waits until a life of a znode changes or ends, and not when it is over already", async () => {
    const { clock, session, inner } = await start();
    const signal = new AbortController().signal;
    const task = { session, clock, signal, access: "open", onDiagnostic: assert.fail } as const;
    const create = async () => {
      await inner.create("/a", new Uint8Array(), "persistent");
      return { path: "/a", czxid: (await inner.get("/a")).stat.czxid };
    };
    const first = await create();
    let changes = 0;
    const changed = untilTouched(task, first).then(() => changes++);
    await clock.idle();
    assert.equal(changes, 0);
    await inner.set("/a", new Uint8Array(), 0);
    await changed;
    const deleted = untilTouched(task, first);
    await clock.idle();
    await inner.delete("/a", 1);
    await deleted;
    await untilTouched(task, first);
    await create();
    await untilTouched(task, first);
  });
});
