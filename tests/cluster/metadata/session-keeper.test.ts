import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionKeeper } from "../../../src/cluster/metadata/session-keeper.ts";
import { type Clock, sleep } from "../../../src/common/clock.ts";
import {
  type Coordination,
  CoordinationError,
  type OpenSession,
} from "../../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../../src/coordination/embedded/service.ts";
import { skippingClock } from "../../support/skipping-clock.ts";

async function start(open?: (service: EmbeddedCoordination, clock: Clock) => OpenSession) {
  const clock = skippingClock();
  const service = await EmbeddedCoordination.start({ clock });
  const diagnostics: string[] = [];
  const onDiagnostic = (message: string) => diagnostics.push(message);
  const sessions = new SessionKeeper({
    open: open?.(service, clock) ?? service.opener(),
    clock,
    onDiagnostic,
  });
  return { clock, service, sessions, diagnostics };
}

describe("SessionKeeper", () => {
  it("gives every user each session, and tells when it is over", async () => {
    const { clock, service, sessions } = await start();
    const seen: [Coordination, AbortSignal][] = [];
    sessions.use((...use) => seen.push(use));
    await clock.idle();
    const [first] = seen;
    assert.ok(first);
    assert.equal(sessions.current, first[0]);
    sessions.use((...use) => seen.push(use));
    assert.equal(seen[1]?.[0], first[0]);
    service.expire(first[0]);
    await clock.idle();
    assert.deepEqual(
      seen.map(([, signal]) => signal.aborted),
      [true, true, false, false],
    );
    assert.notEqual(sessions.current, first[0]);
    assert.equal(sessions.current?.state, "connected");
  });

  it("keeps a session over a lost connection", async () => {
    const { clock, service, sessions } = await start();
    await clock.idle();
    const session = sessions.current;
    assert.ok(session);
    service.disconnect(session);
    service.reconnect(session);
    await clock.idle();
    assert.equal(sessions.current, session);
  });

  it("stops a user without the session, and the others with it", async () => {
    const { clock, sessions } = await start();
    const signals: AbortSignal[] = [];
    const stopFirst = sessions.use((_, signal) => signals.push(signal));
    sessions.use((session, signal) => {
      signals.push(signal);
      signal.addEventListener("abort", () => assert.equal(session.state, "connected"));
    });
    await clock.idle();
    stopFirst();
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, false],
    );
    const session = sessions.current;
    assert.equal(session?.state, "connected");
    await sessions.stop();
    assert.equal(session?.state, "closed");
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, true],
    );
    await sessions.done;
  });

  it("stops while no session can be opened", async () => {
    const { sessions } = await start(
      () =>
        ({ signal } = {}) =>
          new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    );
    await sessions.stop();
    await sessions.done;
    assert.equal(sessions.current, undefined);
  });

  it("tries again with growing pauses, and says once what is wrong", async () => {
    const opened: number[] = [];
    const { clock, sessions, diagnostics } = await start((service, clock) => async (options) => {
      opened.push(clock.monotonicMs());
      if (opened.length < 6) throw new CoordinationError("SYSTEM", "not now");
      return service.opener()(options);
    });
    await clock.idle();
    assert.ok(sessions.current);
    assert.deepEqual(diagnostics, ["not now"]);
    const pauses = opened.slice(1).map((atMs, index) => atMs - (opened[index] ?? 0));
    pauses.forEach((pauseMs, index) => {
      assert.ok(pauseMs >= 50 * 2 ** index && pauseMs <= 100 * 2 ** index, `${pauses}`);
    });
  });

  it("opens the next session without delay, however often, when each has lasted for a while", async () => {
    const { clock, service, sessions } = await start();
    for (let loss = 0; loss < 10; loss++) {
      await sleep(clock, 11_000);
      const lostMs = clock.monotonicMs();
      assert.ok(sessions.current);
      service.expire(sessions.current);
      await clock.idle();
      assert.equal(sessions.current?.state, "connected");
      assert.ok(clock.monotonicMs() - lostMs <= 100);
    }
  });

  it("gives up on what no retry can mend", async () => {
    for (const code of ["BAD_ARGUMENTS", "AUTH_FAILED"] as const) {
      const { sessions } = await start(() => async () => {
        throw new CoordinationError(code, "wrong");
      });
      await assert.rejects(sessions.done, { code });
      await sessions.stop();
    }
  });
});
