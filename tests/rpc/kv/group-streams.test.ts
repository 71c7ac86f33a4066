import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, type ConnectError, createContextValues, createHandlerContext } from "@connectrpc/connect";
import { DataService, ScanRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { GroupScan } from "../../../src/cluster/kv/served-scan.ts";
import type { KeyService } from "../../../src/cluster/node/key-service.ts";
import { groupStreamHandlers } from "../../../src/rpc/kv/group-streams.ts";
import { newLog, put } from "../../support/log-fixtures.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** The answers of a scan over keys k0, k1, ... with values of these lengths. */
async function scanOf(lengths: readonly number[], clock: VirtualClock, limit = 0n) {
  const { store } = await newLog();
  await store.append(lengths.map((length, index) => put(1, index + 1, `k${index}`, "v".repeat(length))));
  store.commit(lengths.length);
  const reader = store.openScan({});
  const state = { isOpen: true };
  const observed: GroupScan = {
    at: reader.at,
    revision: reader.revision,
    ringVersion: 1,
    nextKeys: async (max) => reader.nextKeys(max),
    nextEntries: (step) => reader.nextEntries(step),
    async close() {
      state.isOpen = false;
      await reader.close();
    },
  };
  const calls = { scan: async () => observed } as unknown as KeyService;
  const context = createHandlerContext({
    service: DataService,
    method: DataService.method.scan,
    protocolName: "connect",
    requestMethod: "POST",
    url: "http://localhost/",
    contextValues: createContextValues(),
  });
  const scan = groupStreamHandlers(calls, "g", clock).scan;
  const answers = scan(create(ScanRequestSchema, { group: "g", limit }), context)[Symbol.asyncIterator]();
  return { answers, state };
}

test("a scan is answered in messages of up to 256 KiB, unless one value is longer", async () => {
  const KiB = 1024;
  const { answers } = await scanOf(
    [90, 300, 90, 90, 90, 90, 4000, 1, 1].map((n) => n * KiB),
    new VirtualClock(),
  );
  const sizes: number[][] = [];
  for (let next = await answers.next(); !next.done; next = await answers.next()) {
    const items = next.value.items ?? [];
    sizes.push(items.map((item) => (item.value?.value?.length ?? 0) / KiB));
  }
  assert.deepEqual(sizes, [[90], [300], [90, 90], [90, 90], [4000], [1, 1]]);
});

test("a scan that nobody reads for a minute gives up what it holds, and says that another can go on", async () => {
  const clock = new VirtualClock();
  const { answers, state } = await scanOf(Array(10).fill(150_000), clock);
  await answers.next();
  await answers.next();
  await clock.pass(59_000);
  assert.ok(state.isOpen);
  assert.equal((await answers.next()).value?.items?.[0]?.key, "k2");
  await clock.pass(61_000);
  assert.ok(!state.isOpen);
  await assert.rejects(answers.next(), (error: ConnectError) => {
    assert.equal(error.code, Code.Aborted);
    assert.match(error.rawMessage, /another can go on after its last key/);
    return true;
  });
});

test("nothing is kept of a scan once it has ended", async () => {
  const clock = new VirtualClock();
  const { answers } = await scanOf([1, 1], clock);
  while (!(await answers.next()).done);
  assert.equal(clock.timerCount, 0);
});

test("a scan that has given as many keys as it may is over, however late its last answer is taken", async () => {
  const clock = new VirtualClock();
  const { answers, state } = await scanOf([1, 1, 1], clock, 2n);
  assert.equal((await answers.next()).value?.items?.length, 2);
  await clock.pass(61_000);
  assert.equal((await answers.next()).done, true);
  assert.ok(!state.isOpen);
});
