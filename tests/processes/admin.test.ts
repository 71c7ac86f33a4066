import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import { DataLossSchema } from "../../gen/kvlab/v1/errors_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { isWhole, makeProcessCluster } from "../support/process-cluster.ts";
import { runProgram } from "../support/run-program.ts";
import { until } from "../support/until.ts";

const transports = createTransports();
// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await makeProcessCluster();
await cluster.startAll();
after(async () => {
  transports.close();
  await cluster.close();
});

function kvlab(...args: string[]) {
  return typing("", ...args);
}

/** As `kvlab`, with what a person types. */
function typing(stdin: string, ...args: string[]) {
  const [router = assert.fail()] = cluster.routers;
  const cli = new URL("../../src/cli.ts", import.meta.url);
  return runProgram(cli, [...args, "--router", `http://${router.address}`], { stdin });
}

async function keyOf(group: string): Promise<string> {
  const [router = assert.fail()] = cluster.routers;
  for (let index = 0; ; index++) {
    const key = `key-${index}`;
    if ((await cluster.clientOf(router).router.locate({ key })).group === group) return key;
  }
}

test("kvlab transfer moves the leadership of a group, and no write under way fails", {
  timeout: 90_000,
}, async () => {
  const [router = assert.fail()] = cluster.routers;
  const { data } = cluster.clientOf(router);
  const key = await keyOf("zdata1");
  const old = await cluster.primaryOf("zdata1");
  let over = false;
  let writes = 0;
  const writing = Array.from({ length: 4 }, async (_, worker) => {
    for (; !over; writes++) await data.put({ key, value: { case: "text", value: `${worker} ${writes}` } });
  });
  const topology = await cluster.topologyOf(router, "all is whole", isWhole);
  const standby = topology.groups[0]?.nodes.find(({ address }) => address !== old.address) ?? assert.fail();
  const result = await kvlab("transfer", "zdata1", String(standby.number));
  assert.equal(result.stderr, "");
  assert.match(result.stdout, new RegExp(`^node ${standby.number} is primary of zdata1, epoch \\d+\n$`));
  const writesBefore = writes;
  await until("the new primary takes writes", 20_000, () => writes > writesBefore + 20);
  over = true;
  await Promise.all(writing);
  assert.equal((await cluster.primaryOf("zdata1")).address, standby.address);
});

test("a transfer to a node that is not there, or is primary already, says so", {
  timeout: 60_000,
}, async () => {
  const unknown = await kvlab("transfer", "zdata1", "99");
  assert.equal(unknown.exitCode, 1);
  assert.match(unknown.stderr, /no live node 99/);
  const group = await kvlab("transfer", "nosuch", "1");
  assert.equal(group.exitCode, 1);
  assert.match(group.stderr, /there is no group "nosuch"/);
});

test("kvlab recover gives a group whose in-sync node is gone its other node, on an operator's word", {
  timeout: 120_000,
}, async () => {
  const [router = assert.fail()] = cluster.routers;
  const { data } = cluster.clientOf(router);
  const key = await keyOf("zdata2");
  await data.put({ key, value: { case: "text", value: "on both nodes" } });
  const primary = await cluster.primaryOf("zdata2");
  const standby = cluster.groups.get("zdata2")?.find((node) => node !== primary) ?? assert.fail();

  const early = await kvlab("recover", "zdata2", "--accept-data-loss", "--yes");
  assert.equal(early.exitCode, 4);
  assert.match(early.stderr, /in sync and live: nothing needs to be lost/);

  await standby.kill();
  await data.put({ key, value: { case: "text", value: "on the primary alone" } });
  await primary.kill();
  await cluster.topologyOf(router, "zdata2 is down", ({ groups }) =>
    groups.some(({ name, nodes }) => name === "zdata2" && nodes.length === 0),
  );
  await standby.start();
  await cluster.topologyOf(router, "the standby is registered", ({ groups }) =>
    groups.some(({ name, nodes }) => name === "zdata2" && nodes.length === 1),
  );
  const refused = await kvlab("recover", "zdata2");
  assert.equal(refused.exitCode, 4);
  assert.match(
    refused.stderr,
    /every write that was acknowledged after that is on node \d+ alone, and is lost/,
  );

  // Another word, an input that ends at once, and one that ends within the word.
  for (const typed of ["no\n", "", "zdata"]) {
    const unconfirmed = await typing(typed, "recover", "zdata2", "--accept-data-loss");
    assert.equal(unconfirmed.exitCode, 4);
    assert.match(
      unconfirmed.stderr,
      /may be lost: node \d+ has the log .* is on node \d+ alone, and is lost/,
    );
    assert.match(unconfirmed.stderr, /not confirmed, nothing was done/);
  }
  const stale = createClient(AdminService, transports.transportTo(`http://${router.address}`)).recover({
    group: "zdata2",
    acceptDataLoss: true,
    accepted: { epoch: 0n },
  });
  await assert.rejects(stale, (error) => {
    assert.ok(error instanceof ConnectError && error.code === Code.FailedPrecondition);
    return error.findDetails(DataLossSchema)[0]?.loss.includes("alone, and is lost") === true;
  });

  const done = await kvlab("recover", "zdata2", "--accept-data-loss", "--yes");
  assert.equal(done.stderr, "");
  const { value } = await data.get({ key }, { timeoutMs: 20_000 });
  assert.equal(value.value, "on both nodes");
  assert.match(cluster.routers.map(({ output }) => output).join(""), /recovered with data loss/);

  // The lost node was not lost after all: it comes back as a standby, without its lone write.
  await primary.start();
  await cluster.topologyOf(router, "all is whole again", isWhole);
  assert.equal((await data.get({ key })).value.value, "on both nodes");
});

test("a data node takes no part in what is asked of routers", async () => {
  const [node = assert.fail()] = cluster.nodes;
  const admin = createClient(AdminService, transports.transportTo(node.address));
  const error = await admin.transfer({ group: "zdata1", number: 1 }).catch(ConnectError.from);
  assert.ok(error instanceof ConnectError);
  assert.equal(error.code, Code.Unimplemented);
});

test("kvlab ring shows the keys of each group, plans a change, begins it, and aborts it", {
  timeout: 90_000,
}, async () => {
  const [router = assert.fail()] = cluster.routers;
  const { data } = cluster.clientOf(router);
  // Enough that the smaller of both moves, of a twentieth of them, takes longer than all commands.
  const count = 1000;
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      data.put({ key: `ring-${index}`, value: { case: "text", value: "value" } }),
    ),
  );
  const before = JSON.parse((await kvlab("ring", "--json")).stdout);
  const keys = before.groups.map((group: { keys: number }) => group.keys);
  assert.ok(keys.length === 2 && keys[0] + keys[1] >= count, String(keys));

  const plan = JSON.parse(
    (await kvlab("ring", "set", "--virtual-nodes", "64", "--dry-run", "--json")).stdout,
  );
  assert.equal(plan.outcome, "begun");
  assert.equal(plan.moves.length, 2);
  assert.ok(plan.moves.every((move: { keys: number; bytes: number }) => move.keys > 0 && move.bytes > 0));

  // So slow that it is still under way when it is aborted.
  const begun = await kvlab("ring", "set", "--virtual-nodes", "64", "--rate", "1");
  assert.equal(begun.stderr, "");
  assert.match(begun.stdout, /^change \d+ has begun/);
  assert.match((await kvlab("ring", "pause")).stdout, /^change \d+ is paused\n$/);
  assert.match(
    (await kvlab("ring")).stdout,
    /to 64 virtual nodes a group; 0 of 2 moves done; at most 1 keys a second; paused/,
  );
  assert.match((await kvlab("ring", "abort", "--watch")).stdout, /nothing changes any more\n$/);
  const after = JSON.parse((await kvlab("ring", "--json")).stdout);
  assert.equal(after.virtualNodes, before.virtualNodes);
  assert.equal((await data.get({ key: "ring-7" })).value.value, "value");
});
