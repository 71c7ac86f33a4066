import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { createContextValues, createHandlerContext } from "@connectrpc/connect";
import {
  DataService,
  ExchangeRequestSchema,
  type OperationSchema,
  type PipeRequest,
  PipeRequestSchema,
  PipeResponseSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { toConnectError } from "../../../src/rpc/errors.ts";
import { pipeHandlers } from "../../../src/rpc/kv/pipe-service.ts";
import type { UnaryCalls } from "../../../src/rpc/kv/unary-calls.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const MiB = 1024 * 1024;
const longest = new Uint8Array(4 * MiB);

const unbounded = { values: createContextValues() };

/** A pipe of gets; `sizeOf` says how long the value of the nth is. */
function pipeOf(gets: number, sizeOf: (index: number) => number) {
  const seen = { underWay: 0, most: 0, begun: 0 };
  const calls: Pick<UnaryCalls, "get"> = {
    async get() {
      const index = seen.begun++;
      seen.most = Math.max(seen.most, ++seen.underWay);
      await new Promise((resolve) => setImmediate(resolve));
      seen.underWay--;
      return { value: { case: "bytes", value: longest.subarray(0, sizeOf(index)) }, revision: 1n };
    },
  };
  async function* requests(): AsyncGenerator<PipeRequest> {
    for (let id = 1; id <= gets; id++) {
      yield create(PipeRequestSchema, { operations: [{ id, call: { case: "get", value: { key: "a" } } }] });
    }
  }
  const context = createHandlerContext({
    service: DataService,
    method: DataService.method.pipe,
    protocolName: "connect",
    requestMethod: "POST",
    url: "http://localhost/",
    contextValues: createContextValues(),
  });
  const answers = pipeHandlers(calls as UnaryCalls, systemClock).pipe(requests(), context);
  return { seen, answers: answers[Symbol.asyncIterator]() };
}

function bytesOf({ answers = [] }: MessageInitShape<typeof PipeResponseSchema>): number[] {
  return answers.map(({ answer }) =>
    answer?.case === "get" ? (answer.value.value?.value?.length ?? 0) : -1,
  );
}

test("of long values few are read at a time, of short ones many", { timeout: 60_000 }, async () => {
  for (const [size, most] of [
    [100, 256],
    [4 * MiB, 1],
  ] as const) {
    // The first are of usual length: nobody knows yet.
    const { seen, answers } = pipeOf(800, (index) => (index < 100 ? 100 : size));
    let left = 800;
    while (left > 0) {
      const { value } = await answers.next();
      const sizes = bytesOf(value ?? assert.fail("the pipe has ended"));
      left -= sizes.length;
      assert.ok(sizes.length === 1 || sizes.reduce((sum, bytes) => sum + bytes, 0) <= MiB);
      if (left > 300) seen.most = 0;
    }
    assert.ok(seen.most <= most && seen.most >= most / 2, `${seen.most} of ${size} bytes`);
  }
});

test("of values of unknown length few are read at a time", { timeout: 60_000 }, async () => {
  const { seen, answers } = pipeOf(200, () => MiB);
  let left = 200;
  while (left > 0) left -= bytesOf((await answers.next()).value ?? {}).length;
  assert.ok(seen.most <= 4, `${seen.most} gets of a MiB were in flight`);
});

test("of a caller that does not read so much is kept, and what does not fit is to be asked for again", {
  timeout: 60_000,
}, async () => {
  const short = 100;
  const long = 200;
  const { seen, answers } = pipeOf(short + long, (index) => (index < short ? 1 : MiB));
  const sizes: number[] = [];
  const read = async () => sizes.push(...bytesOf((await answers.next()).value ?? {}));
  while (sizes.length < short) await read();
  // The long ones were expected to be short, and have all begun.
  while (seen.begun < short + long || seen.underWay > 0)
    await new Promise((resolve) => setImmediate(resolve));
  while (sizes.length < short + long) await read();
  const kept = sizes.filter((bytes) => bytes === MiB).length;
  assert.ok(kept >= 63 && kept <= 64, `${kept} MiB were kept`);
  assert.equal(sizes.filter((bytes) => bytes === -1).length, long - kept);
});

test("a write is told its outcome, however long the answers of the reads beside it are", {
  timeout: 60_000,
}, async () => {
  let bytes = 2 * MiB;
  let finish = () => {};
  const calls: Pick<UnaryCalls, "get" | "put"> = {
    async get() {
      return { value: { case: "bytes", value: longest.subarray(0, bytes) }, revision: 1n };
    },
    put: () =>
      new Promise((resolve) => {
        finish = () => resolve({ revision: 2n });
      }),
  };
  const { pipe, exchange } = pipeHandlers(calls as UnaryCalls, systemClock);
  const get = { id: 1, call: { case: "get", value: { key: "a" } } } as const;
  const put = { id: 2, call: { case: "put", value: { key: "b" } } } as const;
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  const exchanging = exchange(create(ExchangeRequestSchema, { operations: [get, put] }), unbounded);
  await turn();
  finish();
  const { answers } = await exchanging;
  assert.deepEqual(
    answers.map(({ answer }) => answer?.case),
    ["get", "put"],
  );

  const call = pipe.open({ onOutput: () => {}, onRoom: () => {} });
  const begin = async (...operations: MessageInitShape<typeof OperationSchema>[]) => {
    assert.ok(call.accept(create(PipeRequestSchema, { operations })));
    await turn();
  };
  bytes = 1;
  await begin(get);
  call.take();
  // With the 64 bytes that count for each answer, so that there is no room at all for another.
  bytes = MiB - 64;
  await begin(...Array.from({ length: 80 }, () => get), put);
  finish();
  await turn();
  const told = new Map<string | undefined, number>();
  for (let message = call.take(); message !== undefined; message = call.take()) {
    for (const { answer } of message.answers ?? []) told.set(answer?.case, (told.get(answer?.case) ?? 0) + 1);
  }
  assert.equal(told.get("put"), 1, JSON.stringify([...told]));
  assert.ok((told.get("failure") ?? 0) > 0, JSON.stringify([...told]));
});

test("no message is too long for its callers, also when many writes are refused whose keys are long", {
  timeout: 60_000,
}, async () => {
  const refusal = new OperationError("condition-failed", "refused", { key: "k".repeat(4096), revision: 1 });
  const calls: Pick<UnaryCalls, "put"> = { put: () => Promise.reject(toConnectError(refusal)) };
  const call = pipeHandlers(calls as UnaryCalls, systemClock).pipe.open({
    onOutput: () => {},
    onRoom: () => {},
  });
  const put = { id: 1, call: { case: "put", value: { key: "b" } } } as const;
  const message = create(PipeRequestSchema, { operations: Array.from({ length: 100 }, () => put) });
  for (let sent = 0; sent < 100 && call.accept(message); sent++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { length } = toBinary(PipeResponseSchema, create(PipeResponseSchema, call.take()));
  assert.ok(length > MiB / 2 && length < 2 * MiB, `${length} bytes`);
});

test("nothing is kept of the calls of an exchange once they have ended, however much time they had", async () => {
  const clock = new VirtualClock();
  const calls: Pick<UnaryCalls, "put"> = {
    async put(_, { signal }) {
      assert.ok(!signal.aborted);
      return { revision: 1n };
    },
  };
  const put = { id: 1, timeoutMs: 3_600_000, call: { case: "put", value: { key: "a" } } } as const;
  const { exchange } = pipeHandlers(calls as UnaryCalls, clock);
  const { answers } = await exchange(create(ExchangeRequestSchema, { operations: [put] }), unbounded);
  assert.equal(answers[0]?.answer?.case, "put");
  assert.equal(clock.timerCount, 0);
});
