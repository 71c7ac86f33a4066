import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { startKvlab } from "../cli/run-kvlab.ts";
import { freePorts } from "../support/free-ports.ts";
import { runProgram } from "../support/run-program.ts";
import { ServerProcess } from "../support/server-process.ts";
import { withSession } from "../support/with-session.ts";
import { startZooKeeper } from "../support/zookeeper.ts";

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const zookeeper = await startZooKeeper();
const [port = 0] = await freePorts(1);
const settings = { zooaddr: zookeeper.connectString, sessiontimeoutms: "2000" };
const router = new ServerProcess("router", "router", port, settings);
await router.start();
after(async () => {
  await router.kill();
  await zookeeper.close();
});

function startAgent(name: string) {
  const { zooaddr, sessiontimeoutms } = settings;
  const args = ["--zooaddr", zooaddr, "--sessiontimeoutms", sessiontimeoutms, "--serverip", "127.0.0.1"];
  return startKvlab(["agent", "--name", name, ...args]);
}

test("of three agents and a router, kvlab agents --watch shows that one is killed, and that one is stopped", {
  timeout: 120_000,
}, async () => {
  const agents = ["one", "two", "three"].map(startAgent);
  const [one = assert.fail(), two = assert.fail(), three = assert.fail()] = agents;
  for (const agent of agents) {
    await agent.says("it is registered", () => agent.stderr().includes("registered as /zk-agent/agent-"));
  }
  const watch = startKvlab(["agents", "--watch", "--router", router.address]);
  const lines = () => watch.stdout().split("\n");
  const says = (line: string) => watch.says(line, () => lines().some((each) => each.startsWith(line)));
  for (const name of ["one", "two", "three"]) await says(`online\tagent\t${name}\t127.0.0.1`);
  await says(`online\trouter\t-\t${router.address}`);

  // kill -9: its znode goes with its session.
  one.signal("SIGKILL");
  await says("offline\tagent\tone\t127.0.0.1");
  two.signal("SIGTERM");
  await says("offline\tagent\ttwo\t127.0.0.1");
  assert.equal(await two.ended, 0);

  const { stdout } = await runProgram(new URL("../../src/cli.ts", import.meta.url), [
    ...["agents", "--json", "--router", router.address],
  ]);
  const { agents: listed } = JSON.parse(stdout);
  assert.deepEqual(listed.map(({ role, name }: { role: string; name?: string }) => [role, name]).sort(), [
    ["agent", "three"],
    ["router", undefined],
  ]);
  const { totalCpu, totalMemory, memoryUsage, serverIp, pid } = listed.find(
    ({ role }: { role: string }) => role === "agent",
  );
  assert.ok(totalCpu > 0 && totalMemory > memoryUsage && memoryUsage > 0);
  assert.deepEqual([serverIp, pid], ["127.0.0.1", three.child.pid]);

  const again = startAgent("one");
  await says("online\tagent\tone\t127.0.0.1\tback after ");
  watch.signal("SIGINT");
  assert.equal(await watch.ended, 0);
  assert.equal(watch.stderr(), "");
  for (const agent of [three, again]) agent.signal("SIGTERM");
  await Promise.all([three.ended, again.ended]);
});

test("a server with agent=off has no agent, and one that may not write there runs on", {
  timeout: 120_000,
}, async () => {
  const [silentPort = 0, refusedPort = 0] = await freePorts(2);
  const openSession = openWire({ connectString: zookeeper.connectString, sessionTimeoutMs: 10_000 });
  await withSession(openSession, async (session) => {
    const root = { ...settings, zooaddr: `${zookeeper.connectString}/refused` };
    await session.create("/refused", new Uint8Array(), "persistent");
    await session.create("/refused/zk-agent", new Uint8Array(), "ephemeral");
    const silent = new ServerProcess("silent", "router", silentPort, { ...root, agent: "off" });
    const refused = new ServerProcess("refused", "router", refusedPort, root);
    await Promise.all([silent.start(), refused.start()]);
    await refused.says("agent: ");
    assert.match(refused.output, /agent: .*zk-agent/);
    assert.doesNotMatch(silent.output, /agent/);
    assert.ok(refused.isRunning);
    await Promise.all([silent.kill(), refused.kill()]);
  });
});
