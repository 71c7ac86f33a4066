import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ScanRequestSchema } from "../../gen/kvlab/v1/data_pb.ts";
import { Deadline } from "../../src/client/deadline.ts";
import { MergedScan } from "../../src/client/merged-scan.ts";
import { positionsOf } from "../../src/client/positions.ts";
import { RouterCluster } from "../../src/rpc/forwarding/router-cluster.ts";
import { scanned, ToyGroups } from "../support/toy-groups.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const aborted = () => new ConnectError("so much was written meanwhile", Code.Aborted);

/** A scan of groups that the test describes. */
function scanOf(
  groups: ToyGroups,
  clock: VirtualClock,
  request: MessageInitShape<typeof ScanRequestSchema> = {},
) {
  const cluster = new RouterCluster(groups, clock, groups.serverAt);
  const lifetime = new Deadline(cluster.deadlines, Number.POSITIVE_INFINITY);
  const scan = new MergedScan(cluster, {
    request: create(ScanRequestSchema, request),
    deadlineMs: 5_000,
    lifetime,
  });
  const runs = scan.runs();
  const shown: string[] = [];
  return {
    scan,
    shown,
    /** The next keys with their revisions. Undefined at the end. */
    async next(): Promise<string[] | undefined> {
      const { value, done } = await clock.settled(runs.next());
      if (done) return undefined;
      const run = value.map(({ key, revision }) => `${key}${revision}`);
      shown.push(...run);
      return run;
    },
    async rest(): Promise<string[]> {
      while ((await this.next()) !== undefined);
      return shown;
    },
  };
}

function started() {
  const clock = new VirtualClock();
  return { clock, groups: new ToyGroups(clock) };
}

test("keys of all groups come in the order of their bytes, both ways, up to the limit", async () => {
  const { clock, groups } = started();
  groups.ring(1, ["g", "h", "i"]);
  groups.primaries.g = scanned(
    () => ({ a: 1, d: 2, e: 3, "\uffff": 4 }),
    () => 1,
  );
  groups.primaries.h = scanned(
    () => ({ b: 1, c: 2, "\u{10000}": 3 }),
    () => 1,
  );
  groups.primaries.i = scanned(
    () => ({}),
    () => 1,
  );
  const all = ["a1", "b1", "c2", "d2", "e3", "\uffff4", "\u{10000}3"];
  assert.deepEqual(await scanOf(groups, clock).rest(), all);
  assert.deepEqual(await scanOf(groups, clock, { reverse: true }).rest(), all.toReversed());
  for (const limit of [1, 4, 7]) {
    assert.deepEqual(await scanOf(groups, clock, { limit: BigInt(limit) }).rest(), all.slice(0, limit));
  }
  assert.deepEqual(await scanOf(groups, clock, { after: "c", limit: 2n }).rest(), ["d2", "e3"]);
});

test("a scan whose groups begin under different rings begins the older ones again", async () => {
  const { clock, groups } = started();
  groups.ring(2, ["g", "h"]);
  // The key m has moved from g to h. The primary of h hears of it later than that of g.
  let seenByH = 1;
  groups.primaries.g = scanned(
    () => ({ a: 1 }),
    () => 2,
  );
  groups.primaries.h = scanned(
    () => (seenByH === 2 ? { b: 1, m: 5 } : { b: 1 }),
    () => seenByH,
  );
  clock.timer(300, () => {
    seenByH = 2;
  });
  const scan = scanOf(groups, clock);
  assert.deepEqual(await scan.rest(), ["a1", "b1", "m5"]);
  assert.deepEqual(
    groups.scans.filter(({ group }) => group === "g").map(({ after }) => after),
    [undefined],
    "what is of the newest ring goes on",
  );
});

test("a key that two groups have comes once, as the newer of them has it", async () => {
  const { clock, groups } = started();
  groups.ring(1, ["g", "h"]);
  groups.primaries.g = scanned(
    () => ({ a: 1, m: 4, n: 9, z: 1 }),
    () => 1,
  );
  groups.primaries.h = scanned(
    () => ({ m: 7, n: 8 }),
    () => 1,
  );
  assert.deepEqual(await scanOf(groups, clock).rest(), ["a1", "m7", "n9", "z1"]);
  assert.deepEqual(await scanOf(groups, clock, { limit: 3n }).rest(), ["a1", "m7", "n9"]);
  assert.deepEqual(await scanOf(groups, clock, { reverse: true }).rest(), ["z1", "n9", "m7", "a1"]);
});

test("a group that goes on under a newer ring makes the others begin again, and brings in the new group", async () => {
  const { clock, groups } = started();
  groups.ring(1, ["g", "h"]);
  let version = 1;
  // Under version 2 the group i has x of g, and h has y of g.
  const breaks = [{ at: 1, failure: aborted() }];
  groups.primaries.g = scanned(
    (): Record<string, number> => (version === 1 ? { a: 1, c: 2, x: 3, y: 4 } : { a: 1, c: 2 }),
    () => version,
    breaks,
  );
  groups.primaries.h = scanned(
    (): Record<string, number> =>
      version === 1 ? { b: 1, d: 1, e: 1, f: 1 } : { b: 1, d: 1, e: 1, f: 1, y: 4 },
    () => version,
  );
  groups.primaries.i = scanned(
    () => ({ x: 3 }),
    () => version,
  );
  const scan = scanOf(groups, clock);
  assert.deepEqual(await scan.next(), ["a1", "b1", "c2"]);
  version = 2;
  groups.ring(2, ["g", "h", "i"]);
  assert.deepEqual(await scan.rest(), ["a1", "b1", "c2", "d1", "e1", "f1", "x3", "y4"]);
  const asked = groups.scans.map(({ group, after }) => `${group} after ${after}`);
  assert.deepEqual(asked.slice(2), ["g after c", "h after c", "i after c"]);
  // What was read of g has changed in i since, perhaps. So a watch after the scan is told all of i.
  assert.deepEqual([...positionsOf(scan.scan.token ?? "").groups.keys()], ["g", "h"]);
});

test("a group that has left the ring is not waited for", async () => {
  const { clock, groups } = started();
  groups.ring(1, ["g", "h"]);
  groups.primaries.g = scanned(
    () => ({ a: 1, b: 1 }),
    () => 2,
  );
  groups.primaries.h = scanned(
    () => ({ b: 1 }),
    () => 1,
  );
  clock.timer(100, () => groups.ring(2, ["g"]));
  const scan = scanOf(groups, clock);
  assert.deepEqual(await scan.rest(), ["a1", "b1"]);
  assert.deepEqual([...positionsOf(scan.scan.token ?? "").groups.keys()], ["g"]);
});

for (const when of ["before", "after"]) {
  test(`a group that is stopped ${when} it is known to have left the ring is not waited for`, async () => {
    const { clock, groups } = started();
    let version = 1;
    groups.ring(1, ["g", "h"]);
    const keys: Record<string, number> = { a: 1, e: 1 };
    groups.primaries.g = scanned(
      () => keys,
      () => version,
    );
    const gone = new ConnectError("it was stopped", Code.Unavailable);
    groups.primaries.h = scanned(
      () => ({ b: 1, c: 1, d: 1 }),
      () => 1,
      [{ at: 1, failure: gone }],
    );
    const scan = scanOf(groups, clock);
    assert.deepEqual(await scan.next(), ["a1", "b1", "c1"]);
    // All keys of h move to g, and h is stopped.
    Object.assign(keys, { b: 1, c: 1, d: 1 });
    version = 2;
    if (when === "before") groups.ring(1, ["g", "h"], ["h"]);
    clock.timer(when === "before" ? 100 : 0, () => groups.ring(2, ["g"]));
    if (when === "after") await clock.pass(1);
    assert.deepEqual(await scan.rest(), ["a1", "b1", "c1", "d1", "e1"]);
  });
}

test("a group that does not hear of the ring makes the scan fail in time, and is named", async () => {
  const { clock, groups } = started();
  groups.ring(3, ["g", "h"]);
  groups.primaries.g = scanned(
    () => ({ a: 1 }),
    () => 3,
  );
  groups.primaries.h = scanned(
    () => ({ b: 1 }),
    () => 2,
  );
  const beginMs = clock.monotonicMs();
  await assert.rejects(scanOf(groups, clock).next(), {
    code: "unavailable",
    message: 'group "h" answers by version 2 of the ring, which has version 3 now',
  });
  assert.ok(clock.monotonicMs() - beginMs < 6_000);
});

test("servers that do not tell the ring's version are believed", async () => {
  const { clock, groups } = started();
  groups.ring(3, ["g", "h"]);
  for (const [group, key] of [
    ["g", "a"],
    ["h", "b"],
  ] as const) {
    groups.primaries[group] = scanned(
      () => ({ [key]: 1 }),
      () => 0,
    );
  }
  assert.deepEqual(await scanOf(groups, clock).rest(), ["a1", "b1"]);
});

test("a broken stream goes on after the last key that has come, with what is left of the limit", async () => {
  const { clock, groups } = started();
  groups.ring(1, ["g", "h"]);
  groups.primaries.g = scanned(
    () => ({ a: 1, b: 1, c: 1, d: 1, e: 1 }),
    () => 1,
    [{ at: 1, failure: aborted() }],
  );
  groups.primaries.h = scanned(
    () => ({ f: 1 }),
    () => 1,
  );
  assert.deepEqual(await scanOf(groups, clock, { limit: 4n }).rest(), ["a1", "b1", "c1", "d1"]);
  const ofG = groups.scans.filter(({ group }) => group === "g");
  assert.deepEqual(
    ofG.map(({ after, limit }) => [after, limit]),
    [
      [undefined, 4n],
      ["b", 2n],
    ],
  );
});
