import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AgentList } from "../../src/agent/agent-list.ts";
import { formatReport } from "../../src/agent/report.ts";
import { SessionKeeper } from "../../src/cluster/metadata/session-keeper.ts";
import type { Coordination } from "../../src/coordination/coordination.ts";
import { EmbeddedCoordination } from "../../src/coordination/embedded/service.ts";
import { bytes, caughtUp } from "../support/conformance/service.ts";
import { interceptedSession } from "../support/intercepted-session.ts";
import { skippingClock } from "../support/skipping-clock.ts";
import { identity, load } from "./sample-agent.ts";

const never = new AbortController().signal;

/** A list of agents, and a session that stands for all of them. */
async function start() {
  const clock = skippingClock();
  const service = await EmbeddedCoordination.start({ clock });
  const agents = await service.opener()();
  await agents.create("/zk-agent", new Uint8Array(), "persistent");
  const calls: string[] = [];
  let raw: Coordination | undefined;
  const sessions = new SessionKeeper({
    async open(options) {
      const session = await service.opener()(options);
      raw = session;
      return interceptedSession(session, (call, perform) => {
        calls.push(call.name);
        return perform();
      });
    },
    clock,
    onDiagnostic: () => {},
  });
  const list = new AgentList({ sessions, clock });
  await clock.idle();
  return {
    clock,
    service,
    agents,
    calls,
    /** The session of the list. */
    session: () => raw ?? assert.fail("there is no session"),
    read: () => list.read(never),
    add: (
      data: Uint8Array,
      mode: "ephemeral-sequential" | "persistent-sequential" = "ephemeral-sequential",
    ) => agents.create("/zk-agent/agent-", data, mode),
  };
}

const report = (id: string) => formatReport({ ...identity, id }, load, "now");

describe("the list of agents", () => {
  it("is empty while nobody has registered, and has who comes, changes and goes", async () => {
    const { read, add, agents, session } = await start();
    assert.deepEqual(await read(), { agents: [], omitted: 0 });
    const path = await add(report("a"));
    await caughtUp(session());
    assert.deepEqual(
      (await read()).agents.map(({ znode, report: { id } }) => [znode, id]),
      [[path, "a"]],
    );
    await agents.set(path, report("b"), 0);
    await caughtUp(session());
    assert.equal((await read()).agents[0]?.report.id, "b");
    await agents.delete(path, 1);
    await caughtUp(session());
    assert.deepEqual((await read()).agents, []);
  });

  it("reads from ZooKeeper only what has changed", async () => {
    const { read, add, calls } = await start();
    for (const id of ["a", "b", "c"]) await add(report(id));
    await read();
    calls.length = 0;
    assert.equal((await read()).agents.length, 3);
    assert.deepEqual(calls, []);
  });

  it("shows the znodes of others as far as they can be read, and says what is wrong with them", async () => {
    const { read, add } = await start();
    await add(bytes('{"serverIp":"10.0.0.9"}'));
    await add(bytes("hello"));
    await add(report("a"), "persistent-sequential");
    const { agents } = await read();
    assert.deepEqual(
      agents.map(({ report: { serverIp }, problem }) => [serverIp, problem]),
      [
        ["10.0.0.9", undefined],
        ["", "its data is not a JSON object"],
        ["10.0.0.1", "it is not ephemeral, so it stays when its agent has gone"],
      ],
    );
  });

  it("has an agent once that has registered again before its earlier session has ended", async () => {
    const { read, add } = await start();
    await add(report("a"));
    await add(report("b"));
    const again = await add(report("a"));
    const { agents } = await read();
    assert.deepEqual(
      agents.map(({ report: { id } }) => id),
      ["b", "a"],
    );
    assert.equal(agents[1]?.znode, again);
  });

  it("reads at most 1,000, none with a very long name, and says how many more there are", async () => {
    const { read, add, agents: other } = await start();
    await other.create(`/zk-agent/${"x".repeat(101)}`, report("x"), "ephemeral");
    for (let count = 0; count < 1002; count++) await add(report(String(count)));
    const { agents, omitted } = await read();
    assert.deepEqual([agents.length, omitted, agents[0]?.report.id], [1000, 3, "0"]);
  });

  it("is unavailable without a connection, and up to date after that and under a new session", async () => {
    const { read, add, service, session, clock } = await start();
    await add(report("a"));
    await read();
    service.disconnect(session());
    await assert.rejects(read(), { code: "unavailable", message: /no connection to ZooKeeper/ });
    await add(report("b"));
    service.reconnect(session());
    assert.equal((await read()).agents.length, 2);
    service.expire(session());
    await add(report("c"));
    await clock.idle();
    assert.equal((await read()).agents.length, 3);
  });
});
