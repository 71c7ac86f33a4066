import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import { groupMembers, joinGroup, watchGroup } from "../../../../src/zookeeper/index.ts";
import { failReads, loseAnswers } from "../../../support/lost-answers.ts";
import { failure, inState, withClients } from "../../../support/zookeeper-clients.ts";
import { hasChildren } from "../queued.ts";

export function groupTests(connectString: string): void {
  it(
    "keeps a member whose session is disconnected, and is told when it is not one any more",
    {
      timeout: 30_000,
    },
    () =>
      withClients(connectString, async ({ connect, connectThroughProxy }) => {
        const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
        assert.deepEqual(await groupMembers(other, "/group"), []);
        const member = await joinGroup(client, "/group", { identifier: "a" });
        proxy.setMode("cut");
        await inState(client, "disconnected");
        assert.deepEqual(await groupMembers(other, "/group"), ["a"]);
        proxy.setMode("pass");
        await inState(client, "connected");
        await client.sync();
        assert.equal(member.signal.aborted, false);
        const told = once(member.signal, "abort");
        await other.delete(member.path);
        await told;
        assert.equal(member.signal.reason.code, "NO_NODE");
        await member.release();
      }),
  );

  it("outlives a lost connection, also of a client that repeats no call", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const client = await connect({ retry: "nothing" });
      await client.createAll("/group");
      const signal = AbortSignal.timeout(20_000);
      const members = watchGroup(client, "/group", { signal });
      assert.deepEqual((await members.next()).value, []);
      loseAnswers(client, "create", "answers");
      failReads(client, "exists", 1, "CONNECTION_LOSS");
      await joinGroup(client, "/group", { identifier: "a" });
      failReads(client, "get", 1, "CONNECTION_LOSS");
      assert.deepEqual((await members.next()).value, ["a"]);
    }),
  );

  it("is one member, whether or not the answer to its create is lost", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const [other, { client, proxy }] = await Promise.all([connect(), connectThroughProxy()]);
      await other.createAll("/group");
      proxy.setMode("mute");
      const joined = joinGroup(client, "/group");
      await hasChildren(other, "/group", 1);
      proxy.setMode("cut");
      proxy.setMode("pass");
      await (await joined).release();
      await hasChildren(other, "/group", 0);
      proxy.setMode("mute");
      const giveUp = new AbortController();
      const joining = joinGroup(client, "/group", { signal: giveUp.signal });
      await hasChildren(other, "/group", 1);
      giveUp.abort();
      assert.ok((await failure(joining, "ABORTED")).maybeApplied);
      proxy.setMode("cut");
      proxy.setMode("pass");
      await hasChildren(other, "/group", 0);
    }),
  );

  it("lists who comes and goes", { timeout: 30_000 }, () =>
    withClients(connectString, async ({ connect }) => {
      const [client, observer] = await Promise.all([connect(), connect()]);
      const lists = watchGroup(observer, "/group");
      assert.deepEqual((await lists.next()).value, []);
      const a = await joinGroup(client, "/group", { identifier: "a" });
      assert.deepEqual((await lists.next()).value, ["a"]);
      const b = await joinGroup(client, "/group", { identifier: "b" });
      assert.deepEqual((await lists.next()).value.sort(), ["a", "b"]);
      await a.release();
      assert.deepEqual((await lists.next()).value, ["b"]);
      await b.release();
      const named = joinGroup(client, "/group", { identifier: "a/b", shallow: true });
      await failure(named, "BAD_ARGUMENTS");
    }),
  );
}
