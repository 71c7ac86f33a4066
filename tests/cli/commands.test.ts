import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TopologySchema } from "../../gen/kvlab/v1/topology_pb.ts";
import { type RunOptions, runProgram, runProgramRaw } from "../support/run-program.ts";
import { startToyRouter, type ToyRouter } from "./toy-router.ts";

const cli = new URL("../../src/cli.ts", import.meta.url);
// Each test runs a few processes, which on a busy machine take a second each.
const timeout = 60_000;

let toy: ToyRouter;

before(async () => {
  toy = await startToyRouter();
});

after(() => toy.close());

beforeEach(() => toy.reset());

/** Runs `kvlab` with the toy router as its only one. */
function kvlab(args: readonly string[], options: RunOptions = {}) {
  return runProgram(cli, args, { ...options, env: { serverip: "127.0.0.1", serverport: String(toy.port) } });
}

const done = (stdout: string) => ({ exitCode: 0, stdout, stderr: "" });
const failed = (exitCode: number, message: string) => ({
  exitCode,
  stdout: "",
  stderr: `kvlab: ${message}\n`,
});

describe("kvlab put, get and delete", () => {
  it("put a value as text, print only the value, and delete it", { timeout }, async () => {
    assert.deepEqual(await kvlab(["put", "kéy", "hello wörld"]), done("ok, revision 1\n"));
    assert.deepEqual(toy.values.get("kéy"), { case: "text", value: "hello wörld" });
    assert.deepEqual(await kvlab(["get", "kéy"]), done("hello wörld"));
    assert.deepEqual(await kvlab(["delete", "kéy"]), done("deleted, revision 2\n"));
    assert.equal(toy.values.size, 0);
  });

  it("put the bytes of standard input, and print them unchanged", { timeout }, async () => {
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 31) % 256);
    assert.equal((await kvlab(["put", "big", "-"], { stdin: bytes })).exitCode, 0);
    assert.equal(toy.values.get("big")?.case, "bytes");
    const env = { serverport: String(toy.port) };
    const { stdout, exitCode } = await runProgramRaw(cli, ["get", "big", "--serverip=127.0.0.1"], { env });
    assert.equal(exitCode, 0);
    assert.ok(stdout.equals(bytes));
  });

  it("accept empty keys and values, and those that begin with a dash", { timeout }, async () => {
    assert.equal((await kvlab(["put", "", ""])).exitCode, 0);
    assert.deepEqual(await kvlab(["get", ""]), done(""));
    assert.equal((await kvlab(["put", "--", "-5", "--json"])).exitCode, 0);
    assert.deepEqual(toy.values.get("-5"), { case: "text", value: "--json" });
  });

  it("answer in JSON with --json", { timeout }, async () => {
    toy.values.set("t", { case: "text", value: "ü" });
    toy.values.set("b", { case: "bytes", value: Uint8Array.of(255, 0) });
    const json = async (...args: string[]) => JSON.parse((await kvlab([...args, "--json"])).stdout);
    const { revision } = await json("put", "a", "1");
    assert.deepEqual(await json("get", "t"), { key: "t", text: "ü", revision });
    assert.deepEqual(await json("get", "b"), { key: "b", base64: "/wA=", revision });
    assert.deepEqual(await json("delete", "a"), { key: "a", revision: revision + 1 });
  });

  it("end with 1 when the key does not exist", { timeout }, async () => {
    assert.deepEqual(await kvlab(["get", "nope"]), failed(1, 'get "nope": not found'));
    assert.deepEqual(await kvlab(["delete", "nope"]), failed(1, 'delete "nope": not found'));
  });

  it("end with 2 when it is not allowed, and with 4 when it is refused", { timeout }, async () => {
    const put = (key: string) => kvlab(["put", key, "value"]);
    assert.deepEqual(
      await put("is invalid"),
      failed(2, 'put "is invalid": not allowed (the value has 5 bytes; at most 4 are allowed)'),
    );
    assert.deepEqual(
      await put("is refused"),
      failed(4, 'put "is refused": refused (the revision is 7, not 5)'),
    );
  });

  it("end with 3 when nothing was done in time, and with 5 when that is not known", { timeout }, async () => {
    const put = (key: string) => kvlab(["put", key, "value", "--timeout", "1"]);
    const unavailable = await put("is unavailable");
    assert.equal(unavailable.exitCode, 3);
    assert.match(
      unavailable.stderr,
      /^kvlab: put "is unavailable": unavailable, not applied \([^\n]*group "g" has no primary\); `kvlab status` shows [^\n]*\n$/,
    );
    const unknown = await put("is unknown");
    assert.equal(unknown.exitCode, 5);
    assert.match(
      unknown.stderr,
      /^kvlab: put "is unknown": may or may not have been applied \([^\n]*the primary broke off\); read the key before you write it again\n$/,
    );
  });
});

describe("a value that is too long", () => {
  it("ends with 2, whether the command or the server notices it", { timeout }, async () => {
    const tooLongForRouter = await kvlab(["put", "a", "-"], { stdin: new Uint8Array(5 * 1024 * 1024) });
    assert.equal(tooLongForRouter.exitCode, 2);
    assert.match(tooLongForRouter.stderr, /^kvlab: put "a": not allowed \([^\n]*\n$/);
    assert.deepEqual(
      await kvlab(["put", "a", "-"], { stdin: new Uint8Array(64 * 1024 * 1024 + 1) }),
      failed(2, "the value on standard input is too long; allowed: 67108864 bytes"),
    );
    assert.deepEqual(toy.writes, []);
  });
});

describe("kvlab locate", () => {
  it("prints the group and the address, or - without a primary", { timeout }, async () => {
    assert.deepEqual(await kvlab(["locate", "a"]), done("g 127.0.0.1:2000\n"));
    assert.deepEqual(await kvlab(["locate", "is down"]), done("g -\n"));
    assert.deepEqual(JSON.parse((await kvlab(["locate", "a", "--json"])).stdout), {
      key: "a",
      group: "g",
      address: "127.0.0.1:2000",
      ringVersion: 3,
      ageMs: 0,
    });
  });
});

describe("kvlab status", () => {
  it("shows routers, groups, nodes and the ring in a table", { timeout }, async () => {
    assert.deepEqual(
      await kvlab(["status"]),
      done(`ROUTER  ADDRESS
0       127.0.0.1:1926  master
2       127.0.0.1:1927

GROUP   SHARE   EPOCH  KEYS  LOG      NODE  ADDRESS         ROLE     IN SYNC  LAG  STATE
zdata1  55.0 %  2      12    3.3 MiB  0     127.0.0.1:2000  primary  yes      -    -
                                      1     127.0.0.1:2001  standby  yes      4    snapshot 45 %
zdata2  45.0 %  1      12    3.3 MiB  0     127.0.0.1:2000  primary  yes      -    -

ring version 3, 2 virtual nodes a group
`),
    );
  });

  it("says that the ring changes, and warns neither of its shares nor of a group that enters", {
    timeout,
  }, async () => {
    const [first] = toy.topology.groups;
    assert.ok(first);
    toy.topology = create(TopologySchema, {
      ringVersion: 9n,
      virtualNodes: 2,
      routers: [{ number: 0, address: "127.0.0.1:1926" }],
      groups: [
        { ...first, share: 0.9 },
        { ...first, name: "zdata3", share: 0.1, waiting: "it enters the ring with change 8" },
      ],
      change: { id: 8n, virtualNodes: 2, groups: ["zdata1", "zdata3"] },
    });
    const { stdout } = await kvlab(["status"]);
    assert.match(
      stdout,
      /\nring version 9, 2 virtual nodes a group; change 8 is under way, see `kvlab ring`\n$/,
    );
    assert.match(stdout, /\nzdata3 {2}10\.0 %/);
    assert.equal(JSON.parse((await kvlab(["status", "--json"])).stdout).ringChange, 8);
  });

  it("does not show a standby's state when its primary is of an earlier version", { timeout }, async () => {
    const [first] = toy.topology.groups;
    assert.ok(first);
    toy.topology = create(TopologySchema, { groups: [{ ...first, name: "old" }, first] });
    const { stdout } = await kvlab(["status", "--json"]);
    const [old, present] = JSON.parse(stdout).groups;
    assert.deepEqual(Object.keys(old.nodes[1]), ["number", "address", "role", "inSync", "lag"]);
    assert.equal(present.nodes[1].state, "snapshot");
    assert.equal(present.nodes[1].snapshotPercent, 45);
  });

  it("warns of everything that needs attention", { timeout }, async () => {
    const [first] = toy.topology.groups;
    assert.ok(first);
    toy.topology = create(TopologySchema, {
      routers: [{ number: 3, address: "127.0.0.1:1928" }],
      groups: [
        { ...first, share: 0.9 },
        { ...first, name: "mute", share: 0.1 },
        {
          name: "gone",
          share: 0,
          nodes: [],
          unavailable: "none is there",
          waiting: "the ring has keys already",
        },
      ],
      ageMs: 2500n,
    });
    const { exitCode, stdout } = await kvlab(["status"]);
    assert.equal(exitCode, 3, "a group is down");
    const at = `http://127.0.0.1:${toy.port}`;
    assert.deepEqual(
      stdout.split("\n").filter((line) => line.startsWith("warning: ")),
      [
        "warning: the router has not reached ZooKeeper for 2.5 s; this may be out of date",
        "warning: there is no master",
        `warning: the keys of mute are unavailable: status of mute: unavailable (${at}: the primary does not answer); ` +
          "`kvlab status` shows how the groups are",
        "warning: the keys of gone are unavailable: none is there",
        "warning: gone is outside the ring: the ring has keys already",
        "warning: the ring is uneven: zdata1 has 90.0 %, mute has 10.0 %, where 50.0 % would be fair; " +
          "`kvlab ring set --virtual-nodes 128` makes it more even, and moves keys",
      ],
    );
    const status = JSON.parse((await kvlab(["status", "--json"])).stdout);
    assert.equal(status.warnings.length, 6);
    assert.equal(status.groups[2].waiting, "the ring has keys already");
  });
});

describe("kvlab and its routers", () => {
  it("asks the next router when one cannot be reached", { timeout }, async () => {
    const routers = `http://127.0.0.1:1,${toy.url}`;
    assert.deepEqual(await kvlab(["put", "a", "1", "--router", routers]), done("ok, revision 1\n"));
    assert.deepEqual(
      await kvlab(["get", "a", "--router=127.0.0.1:1", `--router=127.0.0.1:${toy.port}`]),
      done("1"),
    );
  });

  it("ends with 3 and names every router when none can be reached", { timeout }, async () => {
    const { exitCode, stderr } = await kvlab([
      "get",
      "a",
      "--router",
      "127.0.0.1:1,127.0.0.1:2",
      "--timeout",
      "1",
    ]);
    assert.equal(exitCode, 3);
    assert.match(
      stderr,
      /^kvlab: get "a": unavailable \([^\n]*127\.0\.0\.1:1[^\n]*127\.0\.0\.1:2[^\n]*ECONNREFUSED[^\n]*\); [^\n]*--router names another router\n$/,
    );
  });

  it("gives up on a silent router after --timeout, and reads from the next", {
    timeout,
  }, async () => {
    const silent = createServer((socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    try {
      const { exitCode, stderr } = await kvlab(["put", "a", "1", "--router", url, "--timeout", "0.5"]);
      assert.equal(exitCode, 3);
      assert.match(stderr, /^kvlab: put "a": unavailable, not applied \([^\n]*\n$/);
      toy.values.set("a", { case: "text", value: "here" });
      assert.deepEqual(await kvlab(["get", "a", "--router", `${url},${toy.url}`]), done("here"));
    } finally {
      silent.close();
    }
  });

  it("ends with 3 when something else listens there", { timeout }, async () => {
    const other = createServer((socket) => socket.on("error", () => {}).end("220 mail\r\n")).listen(
      0,
      "127.0.0.1",
    );
    await once(other, "listening");
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    try {
      const { exitCode, stderr } = await kvlab(["get", "a", "--router", url, "--timeout", "1"]);
      assert.equal(exitCode, 3);
      assert.match(stderr, /^kvlab: get "a": unavailable \([^\n]*\n$/);
    } finally {
      other.close();
    }
  });
});
