import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { DataService, StandbyState } from "../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema, WrongNodeSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { NodeRole } from "../../gen/kvlab/v1/topology_pb.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";

// The services as a caller sees them, on a whole cluster in this process.

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await startEmbeddedCluster({ valueBytesMax: 100_000 });
after(() => cluster.close());

function dataAt(address: string | undefined) {
  return createClient(DataService, cluster.transports.transportTo(address ?? assert.fail()));
}

function routerAt(index: number) {
  return createClient(RouterService, cluster.transports.transportTo(cluster.routers[index]?.address ?? ""));
}

const data = dataAt(cluster.routers[0]?.address);

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  return await call.then(
    () => assert.fail("it was answered"),
    (error) => ConnectError.from(error),
  );
}

test("a value comes back in the form in which it was put, with the revision of its write", async () => {
  const text = await data.put({ key: "text", value: { case: "text", value: "grün 😀" } });
  const bytes = await data.put({ key: "bytes", value: { case: "bytes", value: new Uint8Array([0, 255]) } });
  const empty = await data.put({ key: "empty", value: { case: "bytes", value: new Uint8Array() } });
  const answers = await Promise.all(["text", "bytes", "empty"].map((key) => data.get({ key })));
  assert.deepEqual(
    answers.map(({ value, revision }) => [value.case, value.value, revision]),
    [
      ["text", "grün 😀", text.revision],
      ["bytes", new Uint8Array([0, 255]), bytes.revision],
      ["bytes", new Uint8Array(), empty.revision],
    ],
  );
});

test("revisions rise over overwrites and deletes", async () => {
  const value = { case: "text", value: "" } as const;
  const first = await data.put({ key: "r", value });
  const second = await data.put({ key: "r", value });
  const third = await data.delete({ key: "r" });
  const fourth = await data.put({ key: "r", value });
  const revisions = [first, second, third, fourth].map(({ revision }) => revision);
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => (a < b ? -1 : 1)),
  );
  assert.equal(new Set(revisions).size, 4);
});

test("a missing key is NOT_FOUND, for a read and for a delete", async () => {
  assert.equal((await failureOf(data.get({ key: "no such key" }))).code, Code.NotFound);
  assert.equal((await failureOf(data.delete({ key: "no such key" }))).code, Code.NotFound);
});

test("any text is a key: empty, with line ends, with NUL", async () => {
  for (const key of ["", "\n", "a\u0000b", " ", "!kvlab 1", "#", "{tag}"]) {
    await data.put({ key, value: { case: "text", value: `value of ${JSON.stringify(key)}` } });
    assert.equal((await data.get({ key })).value.value, `value of ${JSON.stringify(key)}`);
  }
});

test("a key of 4 KiB is taken; a longer one is refused with its length and the limit", async () => {
  const longest = "é".repeat(2048);
  await data.put({ key: longest, value: { case: "text", value: "" } });
  for (const call of [
    data.put({ key: `${longest}x` }),
    data.get({ key: `${longest}x` }),
    data.delete({ key: `${longest}x` }),
    routerAt(0).locate({ key: `${longest}x` }),
    dataAt(cluster.nodes[0]?.address).get({ key: `${longest}x` }),
  ]) {
    const error = await failureOf(call);
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.message, /4097 bytes.*4096/);
  }
});

test("a value at the limit is taken; a longer one is refused with its length and the limit", async () => {
  const value = new Uint8Array(100_000);
  await data.put({ key: "large", value: { case: "bytes", value } });
  const larger = { case: "bytes", value: new Uint8Array(100_001) } as const;
  const error = await failureOf(data.put({ key: "large", value: larger }));
  assert.equal(error.code, Code.InvalidArgument);
  assert.match(error.message, /100001 bytes.*100000.*maxvaluebytes/);
  assert.deepEqual((await data.get({ key: "large" })).value.value, value);
});

test("every node that does not serve a key names the one that does", async () => {
  const { group, address, ringVersion } = await routerAt(1).locate({ key: "located" });
  await data.put({ key: "located", value: { case: "text", value: "x" } });
  const { ringVersion: written } = await routerAt(1).locate({ key: "located" });
  assert.ok(written >= ringVersion);
  for (const node of cluster.nodes) {
    if (node.address === address) {
      assert.equal((await dataAt(address).get({ key: "located" })).value.value, "x");
      continue;
    }
    const error = await failureOf(dataAt(node.address).get({ key: "located" }));
    assert.equal(error.code, Code.FailedPrecondition);
    const [detail] = error.findDetails(WrongNodeSchema);
    assert.deepEqual([detail?.group, detail?.address], [group, address]);
  }
});

test("status shows a group's primary and how far its standby is, through any router", async () => {
  await data.put({ key: "status", value: { case: "text", value: "" } });
  for (const index of [0, 1, 2]) {
    const client = dataAt(cluster.routers[index]?.address);
    const primary = await client.status({ group: "zdata1" });
    assert.equal(primary.role, NodeRole.PRIMARY);
    assert.equal(primary.unavailable, "");
    const [standby = assert.fail()] = primary.standbys;
    assert.equal(standby.inSync, true);
    assert.equal(standby.state, StandbyState.REPLICATE);
    assert.equal(standby.snapshotPercent, undefined);
    const other = await client.status({ group: "zdata1", number: standby.number });
    assert.equal(other.role, NodeRole.STANDBY);
    assert.equal(other.number, standby.number);
  }
});

test("status of an unknown group or node says so", async () => {
  assert.equal((await failureOf(data.status({}))).code, Code.InvalidArgument);
  assert.equal((await failureOf(data.status({ group: "nosuch" }))).code, Code.NotFound);
  assert.equal((await failureOf(data.status({ group: "zdata1", number: 77 }))).code, Code.NotFound);
  const node = dataAt(cluster.nodes[0]?.address);
  assert.equal((await failureOf(node.status({ group: "nosuch" }))).code, Code.NotFound);
});

test("the topology names every router and node, the shares of the ring, and who is in sync", async () => {
  for (const index of [0, 1, 2]) {
    const { topology = assert.fail() } = await routerAt(index).getTopology({});
    assert.equal(topology.ageMs, 0n);
    assert.deepEqual(
      topology.routers.map(({ address }) => address).sort(),
      cluster.routers.map(({ address }) => address).sort(),
    );
    assert.deepEqual(
      topology.groups.flatMap(({ nodes }) => nodes.map(({ address }) => address)).sort(),
      cluster.nodes.map(({ address }) => address).sort(),
    );
    const sum = topology.groups.reduce((total, { share }) => total + share, 0);
    assert.ok(Math.abs(sum - 1) < 1e-9);
    assert.ok(
      topology.groups.every(({ nodes, waiting }) => waiting === "" && nodes.every((node) => node.inSync)),
    );
  }
});

test("a call that ended before it could be applied says that it was not applied", {
  timeout: 60_000,
}, async () => {
  const lonely = await startEmbeddedCluster();
  const { group } = await createClient(
    RouterService,
    lonely.transports.transportTo(lonely.routers[0]?.address ?? ""),
  ).locate({ key: "a" });
  const nodes = group === "zdata1" ? lonely.nodes.slice(0, 2) : lonely.nodes.slice(2);
  await Promise.all(nodes.map((node) => node.stop()));
  const router = createClient(DataService, lonely.transports.transportTo(lonely.routers[0]?.address ?? ""));
  const error = await failureOf(router.put({ key: "a" }, { timeoutMs: 20_000 }));
  assert.equal(error.code, Code.Unavailable);
  assert.match(
    error.message,
    new RegExp(`group "${group}" has no primary now: of its in-sync replicas .* none is there`),
  );
  assert.equal(error.findDetails(NotAppliedSchema).length, 1);
  await lonely.close();
});
