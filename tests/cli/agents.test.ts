import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, beforeEach, describe, it } from "node:test";
import { Departures } from "../../src/cli/agents/departures.ts";
import { commandFor } from "../support/run-program.ts";
import { cli, runKvlab, startKvlab } from "./run-kvlab.ts";
import { startToyAdmin, type ToyAdmin } from "./toy-admin.ts";

// Each test runs a few processes, which on a busy machine take a second each.
const timeout = 60_000;

let toy: ToyAdmin;

before(async () => {
  toy = await startToyAdmin();
});

after(() => toy.close());

beforeEach(() => {
  toy.agents = [{}];
});

function kvlab(...args: string[]) {
  return runKvlab(args, { env: { serverip: "127.0.0.1", serverport: String(toy.port) } });
}

/** What makes a terminal show a text in the place of the one before. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for.
const backToStart = /\u001b\[\d+A\r\u001b\[J/;

const router = {
  znode: "/zk-agent/agent-aaaaaaaaaaaa-0000000001",
  id: "aaaaaaaaaaaa",
  role: "router",
  address: "10.0.0.1:1926",
  serverIp: "10.0.0.1",
  host: "vm1",
  pid: 7n,
  totalCpu: 1.5,
  cpuUsage: 33,
  loadAverages: [0.5, 0.25, 0],
  totalMemory: 4n * 1024n ** 3n,
  totalMemoryDesc: "4.3 GB",
  memoryUsage: 1024n ** 3n,
  processMemory: 100n * 1024n ** 2n,
  runtime: "bun",
  runtimeVersion: "1.4.5",
  version: "0.1.0",
  // The clock of that machine is ahead of ours.
  startedAt: "2999-01-01T00:00:00.000Z",
};

const data = {
  ...router,
  znode: "/zk-agent/agent-bbbbbbbbbbbb-0000000000",
  id: "bbbbbbbbbbbb",
  role: "data",
  name: "zdata1",
  address: "10.0.0.2:1926",
  diskTotal: 100n * 1024n ** 3n,
  diskUsed: 5n * 1024n ** 3n,
};

/** As the original agent would report it. */
const original = {
  znode: "/zk-agent/node-0000000002",
  serverIp: "10.0.0.9",
  totalCpu: 4,
  totalMemory: 16_000_000_000n,
  totalMemoryDesc: "16.0 GB",
  memoryUsage: 42n,
};

/** What `kvlab agents --watch` shows on a terminal until something is seen, when it is stopped as by Ctrl-C. */
async function watchedOnTerminal(isSeen: (shown: string) => boolean): Promise<string> {
  const [command, args] = commandFor(cli, ["agents", "--watch", "--router", `127.0.0.1:${toy.port}`]);
  const words = [command, ...args].map((word) => `'${word}'`).join(" ");
  const line = `stty cols 60 rows 20; exec ${words}`;
  const child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  let isInterrupted = false;
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    shown += chunk;
    if (isInterrupted || !isSeen(shown)) continue;
    isInterrupted = true;
    child.stdin.write("\u0003");
  }
  return shown;
}

describe("kvlab agents", () => {
  it("shows the agents by role and name", { timeout }, async () => {
    toy.agents = [{ agents: [router, data, original] }];
    const { exitCode, stdout } = await kvlab("agents");
    assert.equal(exitCode, 0);
    assert.equal(
      stdout,
      `ROLE    NAME    ADDRESS        CPUS  CPU   LOAD  MEMORY   OF        PROCESS    DISK     OF         UP   HOST  RUNTIME    VERSION
-       -       10.0.0.9       4     -     -     42 %     14.9 GiB  -          -        -          -    -     -          -
data    zdata1  10.0.0.2:1926  1.5   33 %  0.5   1.0 GiB  4.0 GiB   100.0 MiB  5.0 GiB  100.0 GiB  0 s  vm1   bun 1.4.5  0.1.0
router  -       10.0.0.1:1926  1.5   33 %  0.5   1.0 GiB  4.0 GiB   100.0 MiB  -        -          0 s  vm1   bun 1.4.5  0.1.0
`,
    );
  });

  it("says that there is none, what cannot be read, and how many more there are", { timeout }, async () => {
    assert.equal((await kvlab("agents")).stdout, "no agent is registered\n");
    toy.agents = [
      { agents: [{ znode: "/zk-agent/x", problem: "its data is not a JSON object" }], omitted: 2 },
    ];
    assert.deepEqual(
      (await kvlab("agents")).stdout.split("\n").filter((line) => line.startsWith("warning: ")),
      ["warning: /zk-agent/x: its data is not a JSON object", "warning: 2 more agents not shown"],
    );
  });

  it("lets no name control the terminal", { timeout }, async () => {
    toy.agents = [
      { agents: [{ znode: "/zk-agent/x", role: "data", name: "\u001b[2J\u009b", host: "a\nb\tc" }] },
    ];
    const { stdout } = await kvlab("agents");
    assert.match(stdout, /^data {2}\\u\{1b\}\[2J\\u\{9b\} .* a\\nb\\tc /m);
    assert.equal(stdout.split("\n").length, 3);
  });

  it("prints the same as JSON, without what an agent does not report", { timeout }, async () => {
    toy.agents = [{ agents: [data, original], omitted: 1 }];
    const report = JSON.parse((await kvlab("agents", "--json")).stdout);
    assert.equal(report.omitted, 1);
    assert.equal(report.agents[0].memoryUsage, 1024 ** 3);
    assert.deepEqual(report.agents[1], {
      znode: original.znode,
      serverIp: "10.0.0.9",
      totalCpu: 4,
      totalMemory: 16_000_000_000,
      totalMemoryDesc: "16.0 GB",
      memoryUsage: 42,
    });
  });

  it("ends with 3 when no router knows", { timeout }, async () => {
    toy.agents = [undefined];
    const { exitCode, stderr } = await kvlab("agents");
    assert.equal(exitCode, 3);
    assert.match(stderr, /^kvlab: agents: unavailable \(.*no connection to ZooKeeper\)/);
  });

  it("follows them with a line for each that comes or goes, over a time without an answer", {
    timeout,
  }, async () => {
    const restarted = { ...data, id: "cccccccccccc", znode: "/zk-agent/agent-cccccccccccc-0000000009" };
    toy.agents = [
      { agents: [router, data] },
      undefined,
      { agents: [router] },
      { agents: [router, restarted] },
    ];
    const watch = startKvlab(["agents", "--watch", "--router", `127.0.0.1:${toy.port}`]);
    await watch.says("the node is back", () => watch.stdout().includes("back after"));
    watch.signal("SIGINT");
    assert.equal(await watch.ended, 0);
    assert.match(
      watch.stdout(),
      new RegExp(
        "^online\trouter\t-\t10.0.0.1:1926\nonline\tdata\tzdata1\t10.0.0.2:1926\n" +
          "offline\tdata\tzdata1\t10.0.0.2:1926\nonline\tdata\tzdata1\t10.0.0.2:1926\tback after \\d+ s\n$",
      ),
    );
    assert.equal(watch.stderr(), "");
  });

  it("follows them in JSON, one object for each change", { timeout }, async () => {
    toy.agents = [{ agents: [data] }, {}];
    const watch = startKvlab(["agents", "--watch", "--json", "--router", `127.0.0.1:${toy.port}`]);
    const changes = () => watch.stdout().split("\n").filter(Boolean);
    await watch.says("two changes", () => changes().length === 2);
    watch.signal("SIGTERM");
    await watch.ended;
    const [first, second] = changes().map((line) => JSON.parse(line));
    assert.deepEqual([first.event, first.agent.name], ["online", "zdata1"]);
    assert.deepEqual([second.event, second.agent.name], ["offline", "zdata1"]);
  });

  it("shows them in place on a terminal, with those that have gone and for how long", {
    timeout,
  }, async () => {
    toy.agents = [{ agents: [router, data] }, { agents: [router] }];
    const shown = await watchedOnTerminal((text) => / [1-9]\d* s +vm1/.test(text));
    const [first = "", second = ""] = shown.split(backToStart);
    assert.match(first, /ROLE .*\r\ndata .*\r\nrouter .*\r\n$/);
    assert.match(
      second,
      /^ROLE .*\r\nrouter .*\r\n\r\nOFFLINE +NAME +ADDRESS +FOR +HOST\r\ndata +zdata1 +10\.0\.0\.2:1926 +0 s +vm1\r\n/,
    );
    for (const each of second.split("\r\n")) assert.ok(each.length < 60, each);
  });

  it("says on a terminal how long no router has answered, until one does", { timeout }, async () => {
    toy.agents = [{ agents: [router] }, undefined, undefined, undefined, { agents: [data] }];
    const shown = await watchedOnTerminal((text) => /no router[\s\S]*ROLE .*\r\ndata /.test(text));
    const screens = shown.split(backToStart);
    assert.ok(
      screens.some((each) => /^ROLE .*\r\nrouter .*\r\nno router has answered for \d+ s\r\n$/.test(each)),
    );
    assert.match(screens.at(-1) ?? "", /^ROLE .*\r\ndata .*\r\n\r\nOFFLINE/);
    assert.ok(!screens.at(-1)?.includes("no router"));
  });
});

describe("the departures of agents", () => {
  const agent = (id: string, name: string) => ({ znode: `/zk-agent/${id}`, id, role: "data", name });

  it("are forgotten when there are too many, the oldest first", () => {
    const departures = new Departures();
    departures.look(
      Array.from({ length: 1001 }, (_, index) => agent(String(index), String(index))),
      0,
    );
    departures.look([], 5);
    const departed = departures.departed(15);
    assert.equal(departed.length, 1000);
    assert.deepEqual([departed[0]?.agent.name, departed[0]?.offlineMs], ["1", 10]);
  });

  it("do not count an agent that registers again under a new session", () => {
    const departures = new Departures();
    departures.look([agent("a", "one")], 0);
    assert.deepEqual(departures.look([{ ...agent("a", "one"), znode: "/zk-agent/again" }], 5), []);
    assert.deepEqual(departures.departed(5), []);
  });
});
