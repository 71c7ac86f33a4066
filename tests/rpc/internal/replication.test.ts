import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { AppendResult, ReplicationService } from "../../../gen/kvlab/internal/v1/replication_pb.ts";
import { createTransports, type Transports } from "../../../src/client/transport/http2.ts";
import { OperationError } from "../../../src/cluster/metadata/operation-error.ts";
import type { AppendRequest, AppendResponse } from "../../../src/cluster/replication/peer.ts";
import { flightMessagesMax } from "../../../src/cluster/replication/settings.ts";
import { peerOver } from "../../../src/rpc/internal/peer-client.ts";
import { type ReplicationHandler, replicationRoutes } from "../../../src/rpc/internal/replication-service.ts";
import { type Listener, listen } from "../../../src/rpc/port/listener.ts";
import { put } from "../../support/log-fixtures.ts";

const timeout = 60_000;
const notAsked = () => {
  throw new Error("not asked here");
};

const open: { listener: Listener; transports: Transports }[] = [];
afterEach(async () => {
  for (const { listener, transports } of open.splice(0)) {
    transports.close();
    await listener.close();
  }
});

/** A standby whose answers the test gives, and a stream to it. */
async function connected() {
  const waiting: {
    readonly request: AppendRequest;
    readonly answer: PromiseWithResolvers<AppendResponse>;
  }[] = [];
  const streamEnded = Promise.withResolvers<void>();
  const node: ReplicationHandler = {
    replicate: () => ({
      append: (request) => {
        const answer = Promise.withResolvers<AppendResponse>();
        waiting.push({ request, answer });
        return answer.promise;
      },
      ended: () => streamEnded.resolve(),
    }),
    countMisplaced: notAsked,
    transferLeadership: notAsked,
    position: notAsked,
  };
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    routes: (router) => replicationRoutes(router, node),
  });
  const transports = createTransports();
  open.push({ listener, transports });
  const address = `127.0.0.1:${listener.port}`;
  const transport = transports.transportTo(address);
  const ended = Promise.withResolvers<unknown>();
  const stream = peerOver({ transport, openDuplex: transports.duplexTo(address) }).replicate((reason) =>
    ended.resolve(reason),
  );
  /** Resolves when the standby has so many messages. */
  const arrived = async (count: number) => {
    while (waiting.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return {
    listener,
    transport,
    stream,
    waiting,
    arrived,
    ended: ended.promise,
    streamEnded: streamEnded.promise,
  };
}

test("messages are handed over before those before them are answered, and the answers keep their order", {
  timeout,
}, async () => {
  const { stream, waiting, arrived } = await connected();
  const order: number[] = [];
  const answers = [1, 2, 3].map(async (seq) => {
    const { last } = await stream.append(message(seq));
    order.push(last.seq);
  });
  await arrived(3);
  assert.deepEqual(
    waiting.map(({ request }) => request),
    [message(1), message(2), message(3)],
  );
  for (const seq of [3, 2, 1]) waiting[seq - 1]?.answer.resolve(answered(seq));
  await Promise.all(answers);
  assert.deepEqual(order, [1, 2, 3]);
});

test("a message that is refused ends the stream, and all that wait learn why", { timeout }, async () => {
  const { stream, waiting, arrived, ended, streamEnded } = await connected();
  const answers = [1, 2].map((seq) => stream.append(message(seq)));
  await arrived(2);
  waiting[0]?.answer.reject(new OperationError("refused", "it is for another life"));
  for (const answer of answers) await assert.rejects(answer, /it is for another life/);
  assert.match(String(await ended), /it is for another life/);
  await streamEnded;
  await assert.rejects(stream.append(message(3)), /it is for another life/);
});

test("closing a stream ends it on the other side, and rejects what waits", { timeout }, async () => {
  const { stream, arrived, streamEnded } = await connected();
  const answer = stream.append(message(1));
  await arrived(1);
  stream.close();
  await assert.rejects(answer, /the stream was closed/);
  await streamEnded;
});

test("a standby that shuts down ends the stream", { timeout }, async () => {
  const { listener, stream, waiting, arrived, ended, streamEnded } = await connected();
  const first = stream.append(message(1));
  await arrived(1);
  waiting[0]?.answer.resolve(answered(1));
  await first;
  const closing = listener.close();
  await Promise.all([ended, streamEnded, closing]);
  await assert.rejects(stream.append(message(2)));
});

test("a standby holds no more messages than a primary may have on the way", { timeout }, async () => {
  const { stream, waiting, arrived } = await connected();
  const count = 3 * flightMessagesMax;
  const answers = Array.from({ length: count }, (_, seq) => stream.append(message(seq + 1)));
  await arrived(flightMessagesMax);
  for (let seq = 1; seq <= count; seq++) {
    await arrived(seq);
    assert.ok(waiting.length < seq + flightMessagesMax + 1, `${waiting.length} messages at ${seq}`);
    waiting[seq - 1]?.answer.resolve(answered(seq));
    await answers[seq - 1];
  }
});

test("many large messages pass, faster than they are answered", { timeout }, async () => {
  const { stream, waiting, arrived } = await connected();
  const value = "x".repeat(250_000);
  for (let round = 0; round < 10; round++) {
    const from = round * 16;
    const answers = Array.from({ length: 16 }, (_, index) => stream.append(message(from + index + 1, value)));
    await arrived(from + 16);
    for (const { request, answer } of waiting.slice(from)) {
      assert.equal(request.records[0]?.changes[0]?.value.length, value.length);
      answer.resolve(answered(request.previous.seq + 1));
    }
    await Promise.all(answers);
  }
});

test("a primary of an earlier version may send each message as a call of its own", { timeout }, async () => {
  const { transport, waiting, arrived } = await connected();
  const client = createClient(ReplicationService, transport);
  const answer = client.append({ group: "g", epoch: 5n, leaseMs: 500n });
  await arrived(1);
  waiting[0]?.answer.resolve(answered(7));
  assert.equal((await answer).result, AppendResult.OK);
});

function message(seq: number, value = "1"): AppendRequest {
  return {
    cluster: "c",
    group: "g",
    epoch: 5,
    primary: 1,
    target: 2,
    incarnation: "3",
    previous: { epoch: 5, seq: seq - 1 },
    records: [put(5, seq, "key", value)].map(({ changes, ...record }) => ({
      ...record,
      changes: changes.map((change) => ({ ...change, value: Uint8Array.from(change.value) })),
    })),
    committedSeq: seq - 1,
    leaseMs: 500,
  };
}

function answered(seq: number): AppendResponse {
  return {
    result: "ok",
    epoch: 5,
    last: { epoch: 5, seq },
    base: { epoch: 0, seq: 0 },
    epochs: [{ epoch: 5, firstSeq: 1 }],
    needsSnapshot: false,
  };
}
