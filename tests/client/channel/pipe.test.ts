import assert from "node:assert/strict";
import { test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { DataService, type PipeRequest } from "../../../gen/kvlab/v1/data_pb.ts";
import { Pipe } from "../../../src/client/channel/pipe.ts";
import type { Singles } from "../../../src/client/channel/singles.ts";
import { Deadline } from "../../../src/client/deadline.ts";
import { getCall } from "../../../src/client/requests.ts";
import { Deadlines } from "../../../src/common/deadlines.ts";
import { duplexOver } from "../../support/duplex-over.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

test("a pipe whose calls are all answered ends after a while, and the next call opens another", async () => {
  const clock = new VirtualClock();
  const streams: string[] = [];
  const server = createRouterTransport(({ service }) => {
    service(DataService, {
      async *pipe(requests: AsyncIterable<PipeRequest>) {
        const index = streams.push("open") - 1;
        for await (const { operations } of requests) {
          yield {
            answers: operations.map(({ id }) => ({ id, answer: { case: "get" as const, value: {} } })),
          };
        }
        streams[index] = "ended";
      },
    });
  });
  const limits = { operationsMax: 10, bytesMax: 1_000_000 };
  const singles = {} as Singles;
  const pipe = new Pipe({ open: duplexOver(server), singles, limits, clock });
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
