import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import { ZooKeeperError } from "../../../src/zookeeper/index.ts";
import { bytes, caughtUp, failure, inState, text, withClients } from "../../support/zookeeper-clients.ts";

/** What becomes of calls whose answer does not come. */
export function callTests(connectString: string): void {
  it("ends a call at its deadline, and says whether it may have been carried out", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      proxy.setMode("hold");
      const deadlineMs = 50;
      const lost = await failure(client.create("/late", undefined, { deadlineMs }), "DEADLINE_EXCEEDED");
      assert.deepEqual([lost.maybeApplied, lost.path], [true, "/late"]);
      assert.match(lost.message, /create \/late: .*50 ms; it may have been carried out/);
      const read = await failure(client.get("/", { deadlineMs }), "DEADLINE_EXCEEDED");
      assert.equal(read.maybeApplied, false);
      // It was: the request was only late.
      proxy.setMode("pass");
      await caughtUp(client);
      assert.ok(await client.exists("/late"));
    }),
  );

  it("ends a call whose signal is aborted, before it is sent or after", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      const before = await failure(client.set("/", bytes("1"), { signal: AbortSignal.abort() }), "ABORTED");
      assert.equal(before.maybeApplied, false);
      assert.equal((await client.get("/")).data.length, 0);
      const abort = new AbortController();
      proxy.setMode("hold");
      const sent = client.set("/", bytes("2"), { signal: abort.signal });
      abort.abort();
      assert.equal((await failure(sent, "ABORTED")).maybeApplied, true);
      proxy.setMode("cut");
      await inState(client, "disconnected");
      const waiting = new AbortController();
      const unsent = client.set("/", bytes("3"), { signal: waiting.signal });
      waiting.abort();
      assert.equal((await failure(unsent, "ABORTED")).maybeApplied, false);
    }),
  );

  it("waits for a connection, and then sends in the order of the calls", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      proxy.setMode("cut");
      await inState(client, "disconnected");
      const calls = Array.from({ length: 20 }, () =>
        client.create("/n-", undefined, { mode: "persistent-sequential" }),
      );
      proxy.setMode("pass");
      const paths = (await Promise.all(calls)).map(({ path }) => path);
      assert.deepEqual(paths, paths.toSorted());
    }),
  );

  it("sends calls that wait before those of who is told of the connection", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      proxy.setMode("cut");
      await inState(client, "disconnected");
      const later = Promise.withResolvers<unknown>();
      client.onState((state) => {
        if (state === "connected") later.resolve(client.set("/", bytes("later")));
      });
      const earlier = client.set("/", bytes("earlier"));
      proxy.setMode("pass");
      await Promise.all([earlier, later.promise]);
      assert.equal(text((await client.get("/")).data), "later");
    }),
  );

  it("repeats reads whose answer was lost, and no write", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      proxy.setMode("mute");
      const [reading, writing] = [client.get("/"), client.create("/a")];
      proxy.setMode("cut");
      const lost = await failure(writing, "CONNECTION_LOSS");
      assert.equal(lost.maybeApplied, true);
      proxy.setMode("pass");
      assert.equal((await reading).data.length, 0);
    }),
  );

  it("repeats conditional writes if told so, and says when it may have met itself", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy({ retry: "conditional" });
      const witness = await connect();
      proxy.setMode("mute");
      const creating = client.create("/a", bytes("mine"));
      while ((await witness.exists("/a")) === undefined) await witness.sync();
      proxy.setMode("cut");
      proxy.setMode("pass");
      const error = await failure(creating, "NODE_EXISTS");
      assert.equal(error.maybeApplied, true);
      // Which only a znode that is known as one's own can decide.
      assert.equal(text((await client.get("/a")).data), "mine");
      proxy.setMode("mute");
      const numbered = client.create("/n-", undefined, { mode: "persistent-sequential" });
      proxy.setMode("cut");
      assert.equal((await failure(numbered, "CONNECTION_LOSS")).maybeApplied, true);
    }),
  );

  it("repeats nothing if told so", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy({ retry: "nothing" });
      proxy.setMode("mute");
      const reading = client.get("/");
      proxy.setMode("cut");
      await failure(reading, "CONNECTION_LOSS");
    }),
  );

  it("gives up a call that waits when the session is closed, and takes no more", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      proxy.setMode("hold");
      const sent = failure(client.create("/a"), "CLOSED");
      await client.close();
      assert.equal((await sent).maybeApplied, true);
      await failure(client.get("/"), "CLOSED");
      await failure(
        client.addWatch("/", { mode: "persistent" }, () => {}),
        "CLOSED",
      );
      await client.close();
    }),
  );

  it("aborts a signal at once when the session is merely disconnected", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      const held = client.connectedSignal();
      assert.equal(held, client.connectedSignal());
      const states: string[] = [];
      client.onState((state) => states.push(`${state}, ${held.aborted}`));
      proxy.setMode("cut");
      await once(held, "abort");
      assert.ok(ZooKeeperError.is(held.reason, "CONNECTION_LOSS"));
      assert.ok(client.connectedSignal().aborted);
      proxy.setMode("pass");
      await inState(client, "connected");
      // What was lost stays lost.
      assert.equal(held.aborted, true);
      assert.equal(client.connectedSignal().aborted, false);
      assert.deepEqual(states, ["disconnected, true", "connected, true"]);
      const last = client.connectedSignal();
      await client.close();
      assert.ok(ZooKeeperError.is(last.reason, "CLOSED"));
    }),
  );

  it("does not connect when nobody is there, and says what to check", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const { proxy } = await connectThroughProxy();
      proxy.setMode("cut");
      const error = await failure(connect({ servers: proxy.address, deadlineMs: 300 }), "DEADLINE_EXCEEDED");
      assert.match(error.message, /no session within 300 ms; .*check/);
      await failure(connect({ servers: "host:x" }), "BAD_ARGUMENTS");
      await failure(connect({ sessionTimeoutMs: 0 }), "BAD_ARGUMENTS");
      await failure(connect({ deadlineMs: Number.NaN }), "BAD_ARGUMENTS");
    }),
  );

  it("goes on with the session of a process that has ended, with its znodes", { timeout: 20_000 }, () =>
    withClients(connectString, async ({ connect, connectThroughProxy }) => {
      const { client, proxy } = await connectThroughProxy();
      const { path } = await client.create("/mine", undefined, { mode: "ephemeral" });
      proxy.setMode("cut");
      await inState(client, "disconnected");
      const again = await connect({ resume: client.identity });
      assert.equal(again.sessionId, client.sessionId);
      assert.deepEqual(await again.ephemerals(), [path]);
      await again.close();
      await failure(connect({ resume: client.identity }), "SESSION_EXPIRED");
      proxy.setMode("pass");
      await inState(client, "expired");
      await failure(client.get("/"), "SESSION_EXPIRED");
    }),
  );
}
