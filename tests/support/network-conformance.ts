import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Coordination, SessionState } from "../../src/coordination/coordination.ts";
import { bytes, reached, recordingWatcher, rejectsWith, text } from "./conformance/service.ts";
import { type EnsembleView, viewOf } from "./ensemble-view.ts";
import type { NetworkedDriver } from "./networked-coordination.ts";
import { startTcpProxy } from "./tcp-proxy.ts";
import { until } from "./until.ts";
import { startZooKeeper, type ZooKeeper } from "./zookeeper.ts";

export interface NetworkPromises {
  /** Whether a session lives on when the member that it is attached to goes silent. Else it may end. */
  readonly outlivesSilence: boolean;
}

/** What drivers that speak to ZooKeeper over a network promise besides, with an ensemble of three. */
export function networkConformance(name: string, driver: NetworkedDriver, promises: NetworkPromises): void {
  describe(`coordination over a network, ${name} driver`, { timeout: 300_000 }, () => {
    let starting: Promise<ZooKeeper> | undefined;
    // Not in a hook: Bun gives hooks five seconds, whatever they ask for.
    const started = () => {
      starting ??= startZooKeeper({ members: 3 });
      return starting;
    };
    after(async () => (await starting)?.close());
    const withSession = async (
      sessionTimeoutMs: number,
      body: (session: Coordination, view: EnsembleView) => Promise<void>,
      role?: "leader" | "follower",
    ) => {
      const ensemble = await started();
      const view = await viewOf(ensemble);
      view.admit(role && (await ensemble[role]()));
      const session = await driver({ connectString: view.connectString, sessionTimeoutMs })();
      view.admit();
      try {
        await body(session, view);
      } finally {
        await session.close();
        await view.close();
        await ensemble.restore();
      }
    };

    it("takes another server when one takes connections and never answers", { timeout: 60_000 }, async () => {
      const [member] = (await started()).members;
      const silent = await startTcpProxy(member?.address ?? "");
      silent.setMode("silent");
      try {
        // The order in which a client tries servers is its own affair: with one good one of four, all kinds occur.
        const addresses = [silent, silent, silent].map(({ address }) => address);
        const connectString = [...addresses, member?.address].join(",");
        const session = await driver({ connectString, sessionTimeoutMs: 3000 })();
        assert.equal((await session.exists("/"))?.ephemeral, false);
        await session.close();
      } finally {
        await silent.close();
      }
    });

    it(
      "gives up a connection that is cut in the middle of a packet, and goes on with another",
      {
        timeout: 60_000,
      },
      () =>
        withSession(20_000, async (session, view) => {
          const large = new Uint8Array(300_000).fill(7);
          const path = await session.create("/cut-", large, "ephemeral-sequential");
          const disconnected = reached(session, "disconnected");
          view.proxy().cutAfter(100_000);
          await rejectsWith(session.get(path), "CONNECTION_LOSS");
          await disconnected;
          view.admit();
          await reached(session, "connected");
          assert.ok(Buffer.from(large).equals((await session.get(path)).data));
        }),
    );

    it("keeps its session, znodes and watches when its member is killed", { timeout: 60_000 }, () =>
      withSession(20_000, async (session, view) => {
        const states: SessionState[] = [];
        session.onState((state) => states.push(state));
        const path = await session.create("/killed-", bytes("kept"), "ephemeral-sequential");
        const { czxid } = (await session.get(path)).stat;
        const { watcher, first } = recordingWatcher();
        await session.get(path, watcher);
        const disconnected = reached(session, "disconnected");
        const killed = view.member();
        await killed.kill();
        await disconnected;
        await reached(session, "connected");
        assert.notEqual(view.member(), killed);
        const { data, stat } = await session.get(path);
        assert.deepEqual([text(data), stat.own, stat.czxid], ["kept", true, czxid]);
        assert.ok(!states.includes("expired"));
        await session.set(path, bytes("changed"), 0);
        assert.equal(await first, `changed ${path}`);
      }),
    );

    it("comes back when a majority does", { timeout: 60_000 }, () =>
      withSession(20_000, async (session, { ensemble }) => {
        const path = await session.create("/majority-", bytes("kept"), "ephemeral-sequential");
        const [one, two, survivor] = ensemble.members;
        await Promise.all([one?.kill(), two?.kill()]);
        await until("the survivor serves nobody", 30_000, async () => (await survivor?.mode()) === undefined);
        await reached(session, "disconnected");
        await rejectsWith(session.get(path), "CONNECTION_LOSS");
        await Promise.all([one?.start(), two?.start()]);
        await reached(session, "connected");
        assert.equal((await session.get(path)).stat.own, true);
      }),
    );

    const keeps = promises.outlivesSilence ? "keeps its session" : "does not pretend that all is well";
    const checkSilence = (fallSilent: (view: EnsembleView) => void, role?: "leader" | "follower") =>
      withSession(
        6000,
        async (session, view) => {
          const states: SessionState[] = [];
          session.onState((state) => states.push(state));
          const path = await session.create("/silent-", bytes("kept"), "ephemeral-sequential");
          const disconnected = reached(session, "disconnected");
          fallSilent(view);
          await disconnected;
          await Promise.race([reached(session, "connected"), reached(session, "expired")]);
          if (!promises.outlivesSilence) return;
          assert.ok(!states.includes("expired"));
          assert.equal((await session.get(path)).stat.own, true);
        },
        role,
      );
    for (const role of ["leader", "follower"] as const) {
      it(`${keeps} when its member, the ${role}, is frozen`, { timeout: 60_000 }, () =>
        checkSilence((view) => view.member().freeze(), role),
      );
    }
    it(`${keeps} when the link to its member swallows everything`, { timeout: 60_000 }, () =>
      checkSilence((view) => view.proxy().setMode("silent")),
    );
  });
}
