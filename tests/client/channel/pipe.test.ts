import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type PipeRequest, PipeResponseSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { DataClient } from "../../../src/client/channel/channel.ts";
import { Pipe } from "../../../src/client/channel/pipe.ts";
import { Deadline } from "../../../src/client/deadline.ts";
import { getCall } from "../../../src/client/requests.ts";
import { Deadlines } from "../../../src/common/deadlines.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

test("a pipe whose calls are all answered ends after a while, and the next call opens another", async () => {
  const clock = new VirtualClock();
  const streams: string[] = [];
  const client = {
    async *pipe(requests: AsyncIterable<PipeRequest>) {
      const index = streams.push("open") - 1;
      for await (const { operations } of requests) {
        const answers = operations.map(({ id }) => ({ id, answer: { case: "get" as const, value: {} } }));
        yield create(PipeResponseSchema, { answers });
      }
      streams[index] = "ended";
    },
  };
  const limits = { operationsMax: 10, bytesMax: 1_000_000 };
  const pipe = new Pipe(client as unknown as DataClient, limits, clock);
  const get = () => {
    const attempt = { call: getCall("a"), timeoutMs: undefined, sent: false };
    return clock.settled(pipe.send(attempt, new Deadline(new Deadlines(clock), Number.POSITIVE_INFINITY)));
  };
  await get();
  await get();
  assert.deepEqual(streams, ["open"]);
  await clock.pass(90_000);
  assert.deepEqual(streams, ["ended"]);
  await get();
  assert.deepEqual(streams, ["ended", "open"]);
});
