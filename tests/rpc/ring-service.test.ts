import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { AdminService, GroupPlace, RingOutcome } from "../../gen/kvlab/v1/admin_pb.ts";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { viewOf } from "../../src/client/topology.ts";
import { startEmbeddedCluster } from "../support/embedded-cluster.ts";

// Not in a hook: Bun gives hooks five seconds, whatever they ask for.
const cluster = await startEmbeddedCluster({ virtualNodes: 4 });
after(() => cluster.close());
const [router = assert.fail()] = cluster.routers;
const transport = cluster.transports.transportTo(router.address);
const admin = createClient(AdminService, transport);
const data = createClient(DataService, transport);

async function failing(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(() => assert.fail("it has not failed"), ConnectError.from);
  return error;
}

test("operators see the ring, the keys of each group, and a change of the ring from its request to its abort", {
  timeout: 60_000,
}, async () => {
  for (let index = 0; index < 50; index++) {
    await data.put({ key: `key ${index}`, value: { case: "text", value: "value" } });
  }
  const quiet = await admin.getRing({});
  assert.equal(quiet.topology?.virtualNodes, 4);
  assert.equal(quiet.progress, undefined);
  assert.deepEqual(
    quiet.groups.map(({ name, place, points }) => [name, place, points]),
    [
      ["zdata1", GroupPlace.IN, 5],
      ["zdata2", GroupPlace.IN, 5],
    ],
  );
  assert.equal(
    quiet.groups.reduce((sum, { keys = 0n }) => sum + keys, 0n),
    50n,
  );

  const request = { change: { case: "virtualNodes", value: 64 }, rate: 1n } as const;
  const plan = await admin.changeRing({ request, dryRun: true });
  assert.equal(plan.outcome, RingOutcome.BEGUN);
  assert.equal(plan.change, 0n);
  assert.deepEqual(
    plan.moves.map(({ from, to }) => [from, to]),
    [
      ["zdata1", "zdata2"],
      ["zdata2", "zdata1"],
    ],
  );
  assert.ok(plan.moves.every(({ keys = 0n, bytes = 0n, share }) => keys > 0n && bytes > keys && share > 0));

  const begun = await admin.changeRing({ request });
  assert.equal(begun.outcome, RingOutcome.BEGUN);
  assert.ok(begun.change > 0n);
  const changing = await admin.getRing({});
  assert.equal(changing.topology?.change?.id, begun.change);
  assert.deepEqual([changing.progress?.paused, changing.progress?.rate], [false, 1n]);
  assert.equal(changing.progress?.moves.length, 2);
  // What a client makes of it is what the router says.
  assert.ok(changing.topology);
  const shares = viewOf(changing.topology).ring.shares();
  for (const { name, share } of changing.groups) assert.equal(shares.get(name), share);

  const queued = await admin.changeRing({ request: { change: { case: "drain", value: "zdata2" } } });
  assert.deepEqual([queued.outcome, queued.ahead], [RingOutcome.QUEUED, 1]);
  assert.deepEqual((await admin.getRing({})).queue[0]?.change, { case: "drain", value: "zdata2" });

  assert.deepEqual((await admin.paceRing({ paused: true })).rate, 1n);
  assert.equal((await admin.getRing({})).progress?.paused, true);
  assert.deepEqual((await admin.paceRing({ paused: false, rate: 0n })).rate, 0n);

  const late = { change: begun.change + 1n };
  assert.equal((await failing(admin.paceRing({ ...late, paused: true }))).code, Code.FailedPrecondition);
  assert.equal((await failing(admin.abortRing(late))).code, Code.FailedPrecondition);
  const aborted = await admin.abortRing({ change: begun.change });
  assert.equal(aborted.aborted, begun.change);
  // Nothing had moved, or what had goes back first.
  const waits = aborted.begun === 0n ? aborted.queue : [];
  assert.deepEqual(
    waits.map(({ change }) => change),
    aborted.begun === 0n ? [{ case: "drain", value: "zdata2" }] : [],
  );
  const withdrawing = admin.withdrawRing({ request: { change: { case: "drain", value: "zdata2" } } });
  if (aborted.begun === 0n) assert.equal((await withdrawing).withdrawn.length, 1);
  else assert.equal((await failing(withdrawing)).code, Code.FailedPrecondition);
});

test("requests that cannot be met fail with the documented codes, and say why", {
  timeout: 60_000,
}, async () => {
  const none = await failing(admin.changeRing({}));
  assert.equal(none.code, Code.InvalidArgument);
  assert.match(none.rawMessage, /one of add, drain, virtual_nodes is needed/);
  const unknown = await failing(admin.changeRing({ request: { change: { case: "add", value: "nosuch" } } }));
  assert.equal(unknown.code, Code.NotFound);
  const odd = await failing(admin.changeRing({ request: { change: { case: "add", value: "a\nb" } } }));
  assert.equal(odd.rawMessage, String.raw`there is no group "a\nb"`);
  const fast = { change: { case: "add", value: "zdata1" }, rate: 2n ** 64n - 1n } as const;
  assert.match(
    (await failing(admin.changeRing({ request: fast }))).rawMessage,
    /^rate 18446744073709551615; allowed: /,
  );
  assert.equal((await failing(admin.paceRing({ rate: 2n ** 64n - 1n }))).code, Code.InvalidArgument);
  assert.match(
    (await failing(admin.abortRing({ change: 2n ** 64n - 1n }))).rawMessage,
    /^change 18446744073709551615; allowed: /,
  );
  const twice = await failing(admin.changeRing({ request: { change: { case: "add", value: "zdata1" } } }));
  assert.equal(twice.code, Code.FailedPrecondition);
  const many = await failing(admin.changeRing({ request: { change: { case: "virtualNodes", value: 1e6 } } }));
  assert.equal(many.code, Code.InvalidArgument);
  const removed = await failing(admin.removeGroup({ group: "zdata1" }));
  assert.equal(removed.code, Code.FailedPrecondition);
  assert.match(removed.rawMessage, /is in the ring/);
});
