import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { DataService, GetRequestSchema } from "../../gen/kvlab/v1/data_pb.ts";
import { Deadline } from "../../src/client/deadline.ts";
import { Servers } from "../../src/client/servers.ts";
import { Deadlines } from "../../src/common/deadlines.ts";
import { pipeHandlers } from "../../src/rpc/kv/pipe-service.ts";
import type { UnaryCalls } from "../../src/rpc/kv/unary-calls.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

test("a call in flight gets its answer, however many other servers are called meanwhile", async () => {
  const clock = new VirtualClock();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<{ revision: bigint }>();
  const calls: Pick<UnaryCalls, "get"> = {
    get() {
      asked.resolve();
      return answer.promise;
    },
  };
  const transport = createRouterTransport(({ service }) =>
    service(DataService, pipeHandlers(calls as UnaryCalls, clock)),
  );
  const servers = new Servers({
    connections: { transportTo: () => transport, close() {} },
    limits: { operationsMax: 256, bytesMax: 1024 },
    clock,
  });
  const first = servers.at("first:1");
  const call = { case: "get", value: create(GetRequestSchema, { key: "a" }) } as const;
  const attempt = { call, timeoutMs: undefined, sent: false };
  const outcome = first.channel.send(attempt, new Deadline(new Deadlines(clock), Number.POSITIVE_INFINITY));
  await asked.promise;
  for (let number = 0; number < 1_000; number++) servers.at(`other-${number}:1`);
  answer.resolve({ revision: 7n });
  const { case: kind, value } = await outcome;
  assert.ok(kind === "get" && value.revision === 7n);
  assert.ok(!first.gone.aborted, "its streams go on, too");
});
