import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { type EnsembleView, viewOf } from "../support/ensemble-view.ts";
import { reconfigured } from "../support/reconfigured.ts";
import { until } from "../support/until.ts";
import { startZooKeeper } from "../support/zookeeper.ts";
import {
  bytes,
  type ClientBed,
  caughtUp,
  failure,
  inState,
  recorder,
  text,
  withClients,
} from "../support/zookeeper-clients.ts";

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const ensemble = await startZooKeeper({
  members: 3,
  // A server without a majority takes only local sessions.
  config: { reconfigEnabled: "true", localSessionsEnabled: "true", localSessionsUpgradingEnabled: "true" },
  properties: { "readonlymode.enabled": "true", "zookeeper.skipACL": "yes" },
});
after(() => ensemble.close());
const { members } = ensemble;

/** Runs `body` with clients, of which those that connect to `view` reach each member through a proxy. */
async function withEnsemble(body: (bed: ClientBed, view: EnsembleView) => Promise<void>): Promise<void> {
  const view = await viewOf(ensemble);
  try {
    await withClients(ensemble.connectString, (bed) => body(bed, view));
  } finally {
    await view.close();
  }
}

describe("ZooKeeper client, an ensemble of three", { timeout: 180_000 }, () => {
  it("keeps its session, znodes and watches when its member is frozen", { timeout: 60_000 }, () =>
    withEnsemble(async ({ connect }, view) => {
      const writer = await connect({ servers: (await ensemble.leader()).address });
      view.admit(await ensemble.follower());
      const client = await connect({ servers: view.connectString, sessionTimeoutMs: 6000 });
      view.admit();
      const seen = recorder();
      const { path } = await client.create("/mine", undefined, { mode: "ephemeral" });
      await client.addWatch("/a", { mode: "persistent" }, seen.listener);
      const held = client.connectedSignal();
      const frozen = view.member();
      frozen.freeze();
      await inState(client, "disconnected");
      assert.ok(held.aborted);
      await inState(client, "connected");
      assert.deepEqual(await client.ephemerals(), [path]);
      assert.deepEqual(seen.told, ["missed /a"]);
      await writer.create("/a");
      await caughtUp(client);
      assert.deepEqual(seen.told, ["missed /a", "created /a"]);
      frozen.thaw();
      await frozen.serving();
    }),
  );

  it(
    "changes the members of the ensemble, and tells who watches the configuration",
    { timeout: 60_000 },
    () =>
      withEnsemble(async ({ connect }) => {
        const client = await connect();
        const follower = members.indexOf(await ensemble.follower()) + 1;
        const config = async () => text((await client.getConfig()).data);
        const before = await config();
        const line = new RegExp(`^server\\.${follower}=.*$`, "m").exec(before)?.[0] ?? assert.fail(before);
        const seen = recorder();
        await client.getConfig({ watch: seen.listener });
        const wrong = { leaving: [follower], fromConfig: 1n };
        await failure(client.reconfig(wrong), "BAD_VERSION");
        const after = text((await reconfigured(client, { leaving: [follower] })).data);
        assert.ok(!after.includes(line), after);
        await seen.saw("changed /zookeeper/config");
        assert.equal(await config(), after);
        // Which clients reach it is only in its own file until now.
        const joining = [`${line};${members[follower - 1]?.address}`];
        await reconfigured(client, { joining });
        assert.ok((await config()).includes(line));
      }),
  );

  // The last one: it leaves two members only.
  it("reads without a majority if told so, and comes back to one by itself", { timeout: 60_000 }, () =>
    withEnsemble(async ({ connect }) => {
      const survivor = await ensemble.follower();
      const lost = members.filter((member) => member !== survivor);
      const owner = await connect();
      await owner.create("/a", bytes("1"));
      const { path } = await owner.create("/mine", undefined, { mode: "ephemeral" });
      await Promise.all(lost.map((member) => member.kill()));
      await until("it only reads", 30_000, async () => (await survivor.ask("isro")).startsWith("ro"));

      await failure(connect({ servers: survivor.address, deadlineMs: 200 }), "DEADLINE_EXCEEDED");
      const reader = await connect({ readOnly: true });
      const { sessionId } = reader;
      assert.equal(reader.state, "read-only");
      assert.ok(reader.connectedSignal().aborted);
      const seen = recorder();
      assert.equal(text((await reader.get("/a", { watch: seen.listener })).data), "1");
      const refused = await failure(reader.set("/a", bytes("2")), "READ_ONLY");
      assert.equal(refused.maybeApplied, false);

      for (const member of lost) member.launch();
      // The ensemble does not know the session that the survivor has made up, but that of before.
      await Promise.all([inState(reader, "connected"), inState(owner, "connected")]);
      assert.notEqual(reader.sessionId, sessionId);
      assert.deepEqual(await owner.ephemerals(), [path]);
      await reader.set("/a", bytes("2"));
      await seen.saw("changed /a");
    }),
  );
});
