import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, type ConnectError, createContextValues, createHandlerContext } from "@connectrpc/connect";
import { DataService, ScanRequestSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { KeyService } from "../../../src/cluster/node/key-service.ts";
import { groupStreamHandlers } from "../../../src/rpc/kv/group-streams.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** The answers of a scan over keys k0, k1, ... with values of these lengths. */
function scanOf(lengths: readonly number[], clock: VirtualClock) {
  const state = { isOpen: true };
  const left = lengths.map((length, index) => ({
    key: `k${index}`,
    revision: 1,
    expiresMs: undefined,
    value: async () => {
      if (!state.isOpen) throw new OperationError("scan-overrun", "the scan is closed");
      return { value: new Uint8Array(length), text: false, revision: 1 };
    },
  }));
  const reader = {
    at: { epoch: 1, seq: 1 },
    next: (max: number) => left.splice(0, max),
    close: async () => {
      state.isOpen = false;
    },
  };
  const calls = { scan: async () => reader } as unknown as KeyService;
  const context = createHandlerContext({
    service: DataService,
    method: DataService.method.scan,
    protocolName: "connect",
    requestMethod: "POST",
    url: "http://localhost/",
    contextValues: createContextValues(),
  });
  const scan = groupStreamHandlers(calls, "g", clock).scan;
  const answers = scan(create(ScanRequestSchema), context)[Symbol.asyncIterator]();
  return { answers, state };
}

test("a scan is answered in messages of 256 KiB, unless one value is longer", async () => {
  const KiB = 1024;
  const { answers } = scanOf(
    [100, 300, 100, 100, 100, 100, 4000, 1, 1].map((n) => n * KiB),
    new VirtualClock(),
  );
  const sizes: number[][] = [];
  for (let next = await answers.next(); !next.done; next = await answers.next()) {
    const items = next.value.items ?? [];
    sizes.push(items.map((item) => (item.value?.value?.length ?? 0) / KiB));
  }
  assert.deepEqual(sizes, [[100], [300], [100, 100], [100, 100], [4000], [1, 1]]);
});

test("a scan that nobody reads for a minute gives up what it holds, and says that another can go on", async () => {
  const clock = new VirtualClock();
  const { answers, state } = scanOf(Array(10).fill(200_000), clock);
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
