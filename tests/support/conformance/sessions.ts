import assert from "node:assert/strict";
import { it } from "node:test";
import type { SessionState } from "../../../src/coordination/coordination.ts";
import {
  bytes,
  caughtUp,
  gone,
  reached,
  recordingWatcher,
  rejectsWith,
  type ServiceUnderTest,
  text,
  withTestBed,
} from "./service.ts";

const nothing = new Uint8Array();

/** SessionKeeper: broken connections, expiry, closing. */
export function sessionTests(service: () => Promise<ServiceUnderTest>): void {
  it(
    "fails operations at once while disconnected, and comes back with all that it held",
    {
      timeout: 20_000,
    },
    () =>
      withTestBed(service(), async ({ service, base, open }) => {
        const [session, other] = await Promise.all([open(), open()]);
        const states: SessionState[] = [];
        session.onState((state) => states.push(state));
        await session.create(`${base}/e`, nothing, "ephemeral");
        await service.cut(session);
        await reached(session, "disconnected");
        await rejectsWith(session.get(base), "CONNECTION_LOSS");
        await rejectsWith(session.create(`${base}/f`, nothing, "ephemeral"), "CONNECTION_LOSS");
        await rejectsWith(session.sync("/"), "CONNECTION_LOSS");
        await service.mend(session);
        await reached(session, "connected");
        assert.equal((await session.get(`${base}/e`)).stat.own, true);
        await caughtUp(other);
        assert.deepEqual(await other.children(base), ["e"]);
        assert.deepEqual(states, ["disconnected", "connected"]);
      }),
  );

  it("calls a listener no more once it is stopped", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ service, open }) => {
      const session = await open();
      const states: SessionState[] = [];
      const stop = session.onState((state) => states.push(state));
      await service.cut(session);
      await reached(session, "disconnected");
      stop();
      await service.mend(session);
      await reached(session, "connected");
      assert.deepEqual(states, ["disconnected"]);
    }),
  );

  it(
    "tells every listener of all changes in order, also when one of them makes the next",
    {
      timeout: 20_000,
    },
    () =>
      withTestBed(service(), async ({ service, open }) => {
        const session = await open();
        const earlier: SessionState[] = [];
        const later: SessionState[] = [];
        const closed = Promise.withResolvers<void>();
        session.onState((state) => {
          earlier.push(state);
          if (state === "disconnected") session.close().then(closed.resolve);
        });
        session.onState((state) => later.push(state));
        await service.cut(session);
        await closed.promise;
        assert.deepEqual(earlier, ["disconnected", "closed"]);
        assert.deepEqual(later, ["disconnected", "closed"]);
      }),
  );

  it(
    "tells an expired session to its listeners and watchers, once, and keeps it so",
    { timeout: 30_000 },
    () =>
      withTestBed(service(), async ({ service, base, open }) => {
        const [session, other] = await Promise.all([open(), open()]);
        const states: SessionState[] = [];
        session.onState((state) => states.push(state));
        const watches = Array.from({ length: 3 }, recordingWatcher);
        await session.create(`${base}/e`, nothing, "ephemeral");
        await session.get(`${base}/e`, watches[0]?.watcher);
        await session.exists(`${base}/missing`, watches[1]?.watcher);
        await session.children(base, watches[2]?.watcher);
        const spent = recordingWatcher();
        await session.exists(`${base}/spent`, spent.watcher);
        await session.create(`${base}/spent`, nothing, "persistent");
        assert.equal(await watches[2]?.first, `children ${base}`);
        const again = recordingWatcher();
        await session.children(base, again.watcher);

        await service.expire(session);
        await reached(session, "expired");
        assert.equal(states.at(-1), "expired");
        await rejectsWith(session.get(base), "SESSION_EXPIRED");
        await rejectsWith(session.create(`${base}/f`, nothing, "ephemeral"), "SESSION_EXPIRED");
        assert.deepEqual(watches[0]?.told, [`session-lost ${base}/e`]);
        assert.deepEqual(watches[1]?.told, [`session-lost ${base}/missing`]);
        assert.deepEqual(watches[2]?.told, [`children ${base}`]);
        assert.deepEqual(spent.told, [`created ${base}/spent`]);
        assert.deepEqual(again.told, [`session-lost ${base}`]);

        await gone(other, `${base}/e`);
        await session.close();
        assert.equal(states.filter((state) => state === "expired").length, 1);
        const fresh = await open();
        await fresh.create(`${base}/e`, nothing, "ephemeral");
        assert.equal((await fresh.get(`${base}/e`)).stat.own, true);
      }),
  );

  it("ends a closed session's watches and refuses it operations", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ base, open }) => {
      const session = await open();
      const states: SessionState[] = [];
      session.onState((state) => states.push(state));
      const { watcher, told } = recordingWatcher();
      await session.get(base, watcher);
      await Promise.all([session.close(), session.close()]);
      assert.equal(session.state, "closed");
      assert.deepEqual(told, [`session-lost ${base}`]);
      assert.deepEqual(states, ["closed"]);
      await rejectsWith(session.get(base), "CLOSED");
      await rejectsWith(session.delete(base, 0), "CLOSED");
      await session.close();
      assert.deepEqual(states, ["closed"]);
    }),
  );

  it("also closes while disconnected, without failing", { timeout: 20_000 }, () =>
    withTestBed(service(), async ({ service, open }) => {
      const session = await open();
      await service.cut(session);
      await reached(session, "disconnected");
      await session.close();
      assert.equal(session.state, "closed");
    }),
  );

  it("stops opening when it is aborted", { timeout: 20_000 }, async () => {
    const reason = new Error("no longer wanted");
    const opening = (await service()).open({ signal: AbortSignal.abort(reason) });
    await assert.rejects(opening, (error) => error === reason);
  });

  it("fails an operation under way when the connection breaks, which may have happened", {
    timeout: 30_000,
  }, async () => {
    if ((await service()).mute === undefined) return;
    await withTestBed(service(), async ({ service, base, open }) => {
      const [session, other] = await Promise.all([open(), open()]);
      const appeared = recordingWatcher();
      await other.exists(`${base}/e`, appeared.watcher);
      await service.mute?.(session);
      const { watcher, told } = recordingWatcher();
      const creating = session.create(`${base}/e`, bytes("mine"), "ephemeral");
      const reading = session.get(base, watcher);
      assert.equal(await appeared.first, `created ${base}/e`);
      const failures = Promise.all([
        rejectsWith(creating, "CONNECTION_LOSS"),
        rejectsWith(reading, "CONNECTION_LOSS"),
      ]);
      await service.cut(session);
      await failures;
      await service.mend(session);
      await reached(session, "connected");
      const { data, stat } = await session.get(`${base}/e`);
      assert.deepEqual([text(data), stat.own], ["mine", true]);
      await other.set(base, nothing, 0);
      await caughtUp(session);
      assert.deepEqual(told, [], "a read that failed has set no watch");
    });
  });

  it("outlives a restart of the service, with its znodes and watches", { timeout: 60_000 }, async () => {
    if ((await service()).restart === undefined) return;
    await withTestBed(service(), async ({ service, base, open }) => {
      const session = await open();
      await session.create(`${base}/e`, bytes("kept"), "ephemeral");
      const { watcher, told, first } = recordingWatcher();
      await session.get(`${base}/e`, watcher);
      const disconnected = reached(session, "disconnected");
      await service.restart?.();
      await disconnected;
      await reached(session, "connected");
      const { data, stat } = await session.get(`${base}/e`);
      assert.deepEqual([text(data), stat.own, stat.version], ["kept", true, 0]);
      await session.set(`${base}/e`, nothing, 0);
      assert.equal(await first, `changed ${base}/e`);
      assert.deepEqual(told, [`changed ${base}/e`]);
    });
  });
}
