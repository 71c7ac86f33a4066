import assert from "node:assert/strict";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  type Answer,
  DataService,
  type PipeRequest,
  PipeRequestSchema,
  PipeResponseSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import type { Duplex } from "../../../src/client/transport/duplex.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { enveloped } from "../../../src/common/envelopes.ts";
import { type Listener, listen } from "../../../src/rpc/port/listener.ts";
import { freePorts } from "../../support/free-ports.ts";
import { until } from "../../support/until.ts";

const timeout = 60_000;

/** Of values in both directions: far more than the windows of HTTP/2. */
const largeBytes = 1_500_000;

const given = { ended: 0 };
function routes(router: ConnectRouter): void {
  router.service(DataService, {
    async *pipe(requests) {
      try {
        for await (const { operations } of requests) {
          for (const { id, call } of operations) {
            if (call.case === "delete") throw new ConnectError("not for you", Code.PermissionDenied);
            const value = new Uint8Array(call.case === "put" ? (call.value.value.value?.length ?? 0) : 1);
            yield { answers: [{ id, answer: { case: "get", value: { value: { case: "bytes", value } } } }] };
          }
        }
      } finally {
        given.ended++;
      }
    },
  });
}

/** A call, with what has come of it. */
function open(address: string) {
  const answers: Answer[] = [];
  const seen: { error: ConnectError | undefined; ends: number } = { error: undefined, ends: 0 };
  const transports = createTransports();
  const duplex = transports.duplexTo(address)(DataService.method.pipe, {
    onMessage: (message) => answers.push(...message.answers),
    onRoom() {},
    onEnd(error) {
      seen.error = error;
      seen.ends++;
    },
  });
  return { duplex, answers, seen, close: () => transports.close() };
}

function put(id: number, bytes: number): PipeRequest {
  const value = { case: "bytes" as const, value: new Uint8Array(bytes) };
  return create(PipeRequestSchema, {
    operations: [{ id, call: { case: "put", value: { key: "a", value } } }],
  });
}

async function send(duplex: Duplex<PipeRequest>, message: PipeRequest): Promise<void> {
  await until("there is room", 10_000, () => duplex.hasRoom);
  duplex.send(message);
}

describe("a call that streams in both directions", () => {
  let listener: Listener;
  let address: string;
  before(async () => {
    listener = await listen({ host: "127.0.0.1", port: 0, routes, log: () => {} });
    address = `127.0.0.1:${listener.port}`;
  });
  after(() => listener.close());

  it("carries large messages both ways at once, and ends when both sides have", { timeout }, async () => {
    const { duplex, answers, seen, close } = open(address);
    for (let id = 1; id <= 12; id++) await send(duplex, put(id, id % 2 === 0 ? largeBytes : 3));
    duplex.end();
    await until("the end", 30_000, () => seen.ends === 1);
    assert.equal(seen.error, undefined);
    assert.deepEqual(
      answers.map(({ id, answer }) => [id, answer.case === "get" ? answer.value.value.value?.length : -1]),
      Array.from({ length: 12 }, (_, index) => [index + 1, index % 2 === 1 ? largeBytes : 3]),
    );
    close();
  });

  it("ends with the error that the server sends", { timeout }, async () => {
    const { duplex, seen, close } = open(address);
    const operations = [{ id: 1, call: { case: "delete" as const, value: { key: "a" } } }];
    await send(duplex, create(PipeRequestSchema, { operations }));
    await until("the end", 10_000, () => seen.ends === 1);
    assert.equal(seen.error?.code, Code.PermissionDenied);
    assert.equal(seen.error.rawMessage, "not for you");
    assert.ok(seen.error.isWireError && !duplex.hasRoom);
    close();
  });

  it("tells nothing any more once it is given up, and the server learns of it", { timeout }, async () => {
    const { duplex, answers, seen, close } = open(address);
    await send(duplex, put(1, 3));
    await until("the answer", 10_000, () => answers.length === 1);
    const before = given.ended;
    duplex.cancel();
    await until("the server has ended it", 10_000, () => given.ended > before);
    assert.equal(seen.ends, 0);
    const early = open(address);
    early.duplex.cancel();
    early.close();
    close();
    assert.equal(early.seen.ends, 0);
  });

  it("says that nothing was sent when there is nobody to send it to", { timeout }, async () => {
    const [port] = await freePorts(1);
    const { seen, close } = open(`127.0.0.1:${port}`);
    await until("the end", 10_000, () => seen.ends === 1);
    assert.equal(seen.error?.code, Code.Unavailable);
    assert.equal(seen.error.findDetails(NotAppliedSchema).length, 1);
    close();
  });
});

interface FalseAnswer {
  readonly status?: number;
  readonly chunk: Uint8Array;
  /** How the server goes on. */
  readonly next: "end" | "reset" | "wait";
  readonly code: Code;
  /** Answers that count all the same. */
  readonly answers: number;
}

const message = enveloped(
  0,
  toBinary(PipeResponseSchema, create(PipeResponseSchema, { answers: [{ id: 1 }] })),
);
const { Unavailable, Unimplemented, ResourceExhausted } = Code;

const falseAnswers: Readonly<Record<string, FalseAnswer>> = {
  "breaks off": { chunk: message, next: "end", code: Unavailable, answers: 1 },
  "breaks off in a message": { chunk: message.subarray(0, 6), next: "end", code: Unavailable, answers: 0 },
  "is reset": { chunk: message, next: "reset", code: Unavailable, answers: 1 },
  "has another status": { status: 404, chunk: message, next: "end", code: Unimplemented, answers: 0 },
  "is too long": { chunk: Buffer.from([0, 255, 0, 0, 0]), next: "wait", code: ResourceExhausted, answers: 0 },
  "is compressed": { chunk: Buffer.from([1, 0, 0, 0, 0]), next: "wait", code: Unavailable, answers: 0 },
  "ends with an end that is none": {
    chunk: Buffer.concat([message, enveloped(2, Buffer.from("{"))]),
    next: "end",
    code: Unavailable,
    answers: 1,
  },
};

for (const [name, { status = 200, chunk, next, code, answers }] of Object.entries(falseAnswers)) {
  it(`an answer that ${name} ends the call with an error`, { timeout }, async () => {
    const server = http2.createServer();
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.resume();
      stream.respond({ ":status": status, "content-type": "application/connect+proto" });
      stream.write(chunk, () => {
        if (next === "end") stream.end();
        // Later: a reset overtakes what was written before.
        else if (next === "reset")
          setTimeout(() => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR), 100);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const call = open(`127.0.0.1:${port}`);
    await until("the end", 10_000, () => call.seen.ends === 1);
    assert.equal(call.seen.error?.code, code, String(call.seen.error));
    assert.equal(call.answers.length, answers);
    assert.equal(call.seen.error.findDetails(NotAppliedSchema).length, 0);
    call.close();
    server.close();
  });
}
