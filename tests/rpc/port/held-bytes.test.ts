import assert from "node:assert/strict";
import * as http2 from "node:http2";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  DataService,
  ExchangeRequestSchema,
  GetRequestSchema,
  PutRequestSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { enveloped } from "../../../src/common/envelopes.ts";
import { pipeHandlers } from "../../../src/rpc/kv/pipe-service.ts";
import type { UnaryCalls } from "../../../src/rpc/kv/unary-calls.ts";
import { type Listener, listen } from "../../../src/rpc/port/listener.ts";
import {
  callHeaders,
  dial,
  endStream,
  frame,
  framesIn,
  headersFrame,
  http2Hello,
  type RawClient,
} from "../../support/raw-client.ts";
import { until } from "../../support/until.ts";

const timeout = 60_000;
const service = "/kvlab.v1.DataService";
const heldBytesMax = 1024 * 1024;
const valueBytes = 100_000;
/** How many values fit. */
const fitting = 10;
const callCount = 30;

const lengths: Readonly<Record<string, number>> = { long: heldBytesMax - 1024, "256 KB": 256_000 };

/** Reads that have begun. */
let reads = 0;
const calls: UnaryCalls = {
  get({ key }) {
    reads++;
    return { value: { case: "bytes", value: new Uint8Array(lengths[key] ?? valueBytes) }, revision: 1n };
  },
  put: async () => ({ revision: 2n }),
  delete: async () => ({ revision: 3n }),
  batch: async () => ({ revision: 4n }),
};

function start(limits: { heldBytesMax?: number } = { heldBytesMax }): Promise<Listener> {
  const routes = (router: ConnectRouter) => {
    router.service(DataService, { ...calls, ...pipeHandlers(calls, systemClock) });
  };
  return listen({ host: "127.0.0.1", port: 0, routes, ...limits, drainMs: 100, log: () => {} });
}

const get = (key = "k") => toBinary(GetRequestSchema, create(GetRequestSchema, { key }));
const put = toBinary(
  PutRequestSchema,
  create(PutRequestSchema, { key: "k", value: { case: "text", value: "v" } }),
);
const exchange = toBinary(
  ExchangeRequestSchema,
  create(ExchangeRequestSchema, {
    operations: [
      { id: 1, call: { case: "put", value: { key: "k", value: { case: "text", value: "v" } } } },
      { id: 2, call: { case: "get", value: { key: "k" } } },
    ],
  }),
);

/** SETTINGS_INITIAL_WINDOW_SIZE: lets the beginning of each answer through (RFC 9113, 6.5.2). */
const windowBytes = 500;
const narrowWindow = frame(0x4, 0, 0, Uint8Array.of(0, 4, 0, 0, windowBytes >> 8, windowBytes & 0xff));

/** A WINDOW_UPDATE frame. */
function opened(stream: number): Buffer {
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(64 * 1024 * 1024);
  return frame(0x8, 0, stream, increment);
}

function call(client: RawClient, stream: number, method: string, message: Uint8Array, type: string): void {
  client.send(headersFrame(stream, callHeaders(`${service}/${method}`, type), false));
  client.send(frame(0, endStream, stream, message));
}

/** Streams whose answer has come to its end. */
function ended(client: RawClient): number[] {
  return framesIn(client.received())
    .filter(({ type, flags }) => (type === "DATA" || type === "HEADERS") && (flags & endStream) !== 0)
    .map(({ stream }) => stream);
}

function count(client: RawClient, text: string): number {
  return client.received().split(text).length - 1;
}

describe("the answers that a client does not read", () => {
  // With a parameter, a request takes the general way.
  for (const type of ["application/proto", "application/proto;"]) {
    it(`are bounded for a connection of HTTP/2, as ${type}`, { timeout }, async () => {
      const node = await start();
      const client = await dial(node.port);
      try {
        client.send(http2Hello);
        client.send(narrowWindow);
        const streams = Array.from({ length: callCount }, (_, index) => 2 * index + 1);
        for (const stream of streams) call(client, stream, "Get", get(), type);
        const refused = callCount - fitting;
        await until("reads are refused", 10_000, () => ended(client).length === refused);
        assert.equal(count(client, '"code":"resource_exhausted"'), refused);
        assert.equal(count(client, `may have ${heldBytesMax} bytes together`), refused);

        const [write, mixed, again] = [1001, 1003, 1005];
        call(client, write, "Put", put, type);
        call(client, mixed, "Exchange", exchange, type);
        await until("writes are acknowledged", 10_000, () => {
          return [write, mixed].every((stream) => ended(client).includes(stream));
        });
        assert.equal(count(client, '"code":"resource_exhausted"'), refused);
        assert.equal(count(client, "the answers of these calls are too long together"), 1);

        for (const stream of [0, ...streams.filter((each) => !ended(client).includes(each))]) {
          client.send(opened(stream));
        }
        await until("all is read", 10_000, () => ended(client).length === callCount + 2);
        call(client, again, "Get", get(), type);
        client.send(opened(again));
        await until("it is answered", 10_000, () => ended(client).includes(again));
        assert.equal(count(client, '"code":"resource_exhausted"'), refused);
      } finally {
        client.socket.destroy();
        await node.close();
      }
    });
  }

  it("are bounded for a connection of HTTP/1.1", { timeout }, async () => {
    const node = await start();
    const client = await dial(node.port);
    try {
      client.socket.pause();
      const request = (key: string) => {
        const body = JSON.stringify({ key });
        const head = `POST ${service}/Get HTTP/1.1\r\nHost: a\r\nContent-Type: application/json`;
        return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      };
      reads = 0;
      client.send(request("long").repeat(callCount));
      await until("all have begun", 10_000, () => reads === callCount);
      client.socket.resume();
      const answers = () => count(client, "HTTP/1.1 ");
      await until("all are answered", 30_000, () => answers() === callCount);
      const refused = count(client, '"code":"resource_exhausted"');
      assert.ok(refused > callCount / 2 && refused < callCount, `${refused} refused`);
      assert.equal(refused + count(client, "HTTP/1.1 200 "), callCount);
      client.send(request("k"));
      await until("it is answered", 10_000, () => answers() === callCount + 1);
    } finally {
      client.socket.destroy();
      await node.close();
    }
  });

  // With the default limit.
  it("may be 128 of 256 KB at a time, and any number for a client that reads", { timeout }, async () => {
    const node = await start({});
    const session = http2.connect(`http://127.0.0.1:${node.port}`);
    try {
      for (const type of ["application/grpc", "application/grpc;"]) {
        const body = enveloped(0, get("256 KB"));
        const caller = async () => {
          for (let round = 0; round < 3; round++) {
            const { status } = await sent(session, { method: "Get", type, body, isWhole: true }).answered;
            assert.equal(status, "0");
          }
        };
        await Promise.all(Array.from({ length: 128 }, caller));
      }
    } finally {
      session.destroy();
      await node.close();
    }
  });
});

interface Sent {
  readonly method: string;
  readonly type: string;
  readonly body: Uint8Array;
  readonly isWhole: boolean;
}

/** A call of gRPC. `answered` resolves at its trailers. */
function sent(session: http2.ClientHttp2Session, { method, type, body, isWhole }: Sent) {
  const stream = session.request({
    ":method": "POST",
    ":path": `${service}/${method}`,
    "content-type": type,
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.resume();
  if (isWhole) stream.end(body);
  else stream.write(body);
  const answered = new Promise<{ status: unknown; message: string }>((resolve) => {
    const settle = (fields: http2.IncomingHttpHeaders) => {
      if (fields["grpc-status"] === undefined) return;
      resolve({ status: fields["grpc-status"], message: String(fields["grpc-message"]) });
    };
    stream.on("response", settle);
    stream.on("trailers", settle);
  });
  return { stream, answered };
}

describe("the requests that a client does not end", () => {
  /** A message of which the end is missing. */
  const part = enveloped(0, new Uint8Array(valueBytes + 1)).subarray(0, valueBytes);
  for (const method of ["Put", "Pipe"]) {
    for (const type of ["application/grpc", "application/grpc;"]) {
      it(`are bounded for a connection: ${method} as ${type}`, { timeout }, async () => {
        const node = await start();
        const session = http2.connect(`http://127.0.0.1:${node.port}`);
        try {
          const refused: string[] = [];
          const begun = Array.from({ length: callCount }, () => {
            const one = sent(session, { method, type, body: part, isWhole: false });
            one.answered.then(({ status, message }) => {
              assert.equal(status, String(Code.ResourceExhausted));
              refused.push(message);
            });
            return one;
          });
          await until("most are refused", 10_000, () => refused.length >= callCount - fitting);
          const [message = ""] = refused;
          assert.match(decodeURIComponent(message), new RegExp(`may have ${heldBytesMax} bytes together`));

          const closed = begun.map(({ stream }) => new Promise((resolve) => stream.once("close", resolve)));
          for (const { stream } of begun) stream.close(http2.constants.NGHTTP2_CANCEL);
          await Promise.all(closed);
          const whole = { method: "Put", type, body: enveloped(0, put), isWhole: true };
          assert.equal((await sent(session, whole).answered).status, "0");
        } finally {
          session.destroy();
          await node.close();
        }
      });
    }
  }
});
