import assert from "node:assert/strict";
import { it } from "node:test";
import { campaign, currentLeader, readAcl, watchLeader } from "../../../../src/zookeeper/index.ts";
import { failure, withClients } from "../../../support/zookeeper-clients.ts";
import { hasChildren, queued } from "../queued.ts";

export function electionTests(connectString: string): void {
  it("elects the next one when a leader has ended or failed", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      assert.equal(await currentLeader(client, "/election"), undefined);
      const fail = Promise.withResolvers<void>();
      const first = campaign(client, "/election", () => fail.promise, { identifier: "first" });
      await queued(client, "/election", 1);
      const tokens: bigint[] = [];
      const second = campaign(client, "/election", ({ fencingToken, signal }) => {
        tokens.push(fencingToken);
        return signal.aborted;
      });
      await queued(client, "/election", 2);
      const leader = await currentLeader(client, "/election");
      assert.equal(leader?.identifier, "first");
      fail.reject(new Error("out of office"));
      await assert.rejects(first, { message: "out of office" });
      assert.equal(await second, false);
      assert.ok(tokens[0] !== undefined && tokens[0] > leader.fencingToken);
      await hasChildren(client, "/election", 0);
    }),
  );

  it("fails as its leader has, also when the leadership cannot be given back", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect();
      const leading = campaign(client, "/election", async () => {
        await client.setAcl("/election", readAcl);
        throw new Error("out of office");
      });
      await assert.rejects(leading, { message: "out of office" });
    }),
  );

  it(
    "tells who watches each leader that it has seen, and of nobody else who comes or goes",
    {
      timeout: 30_000,
    },
    () =>
      withClients(connectString, async ({ connect }) => {
        const [client, observer] = await Promise.all([connect(), connect()]);
        const stop = new AbortController();
        const leaders = watchLeader(observer, "/election", { signal: stop.signal });
        const next = async () => (await leaders.next()).value?.identifier;
        assert.equal(await next(), undefined);
        const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const reigns = [];
        for (const [index, end] of ends.entries()) {
          const identifier = `${index}`;
          reigns.push(campaign(client, "/election", () => end.promise, { identifier }));
          await queued(client, "/election", index + 1);
        }
        assert.equal(await next(), "0");
        const giveUp = new AbortController();
        const third = campaign(client, "/election", () => {}, { signal: giveUp.signal });
        await queued(client, "/election", 3);
        giveUp.abort();
        await failure(third, "ABORTED");
        ends[0]?.resolve();
        assert.equal(await next(), "1");
        ends[1]?.resolve();
        assert.equal(await next(), undefined);
        await Promise.all(reigns);
        const ended = leaders.next();
        stop.abort();
        await failure(ended, "ABORTED");
      }),
  );
}
