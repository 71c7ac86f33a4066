import assert from "node:assert/strict";
import * as http2 from "node:http2";
import { after, before, describe, it } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  BatchRequestSchema,
  DataService,
  DeleteRequestSchema,
  ExchangeRequestSchema,
  GetRequestSchema,
  PutRequestSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { ConditionFailedSchema, NotAppliedSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { CallContext } from "../../../src/rpc/port/fast-path/call-context.ts";
import { type Listener, listen } from "../../../src/rpc/port/listener.ts";
import { type RawCall, rawExchange } from "../../support/raw-exchange.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const timeout = 240_000;
const messageBytesMax = 20_000;

/** Everything that an answer can be, by the key of the request. */
const answers: Readonly<Record<string, (context: HandlerContext) => Promise<Uint8Array> | Uint8Array>> = {
  empty: () => new Uint8Array(0),
  short: () => Buffer.from("value"),
  // Around the length from which an answer is compressed.
  almost: () => Buffer.alloc(1010, "a"),
  compressible: () => Buffer.alloc(1100, "a"),
  long: () => Buffer.alloc(300_000, "abcdefgh"),
  later: () => new Promise((resolve) => setTimeout(() => resolve(Buffer.from("later")), 1)),
  never: ({ signal }) =>
    new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
    }),
  crash: () => {
    throw new TypeError("a bug");
  },
  detailed: () => {
    const details = [
      { desc: ConditionFailedSchema, value: { key: "ä", revision: 7n } },
      { desc: NotAppliedSchema, value: {} },
    ];
    throw new ConnectError('key "ä" has revision 7: 100 %\n', Code.FailedPrecondition, undefined, details);
  },
  described: () => {
    throw new ConnectError("with fields", Code.Aborted, { "x-reason": "because", "grpc-status": "0" });
  },
  wordy: () => {
    throw new ConnectError("so many words ".repeat(200), Code.ResourceExhausted);
  },
};

/** Calls that a service was given, by the way that they came. */
const given = { fast: 0, general: 0 };
function routes(router: ConnectRouter): void {
  const answer = async (key: string, context: HandlerContext) => {
    given[context instanceof CallContext ? "fast" : "general"]++;
    const code = Number(/^code (\d+)$/.exec(key)?.[1] ?? Number.NaN);
    if (code in Code) throw new ConnectError(`failed with ${code}`, code);
    const make = answers[key];
    if (make === undefined) throw new ConnectError(`no such key: ${key}`, Code.NotFound);
    return await make(context);
  };
  router.service(DataService, {
    async get({ key }, context) {
      return { value: { case: "bytes", value: await answer(key, context) }, revision: 3n };
    },
    async put({ key, ttlMs }, context) {
      return { revision: BigInt((await answer(key, context)).length) + (ttlMs ?? 0n) };
    },
    async delete({ key }, context) {
      return { revision: BigInt((await answer(key, context)).length) };
    },
    batch: ({ operations }) => ({ revision: BigInt(operations.length) }),
    exchange: ({ operations }) => ({ answers: operations.map(({ id }) => ({ id })) }),
  });
}

const keys = [
  ...Object.keys(answers),
  "unknown",
  "",
  ...Array.from({ length: 16 }, (_, i) => `code ${i + 1}`),
];

/** A request, as bytes of the message. */
function messages(pick: Pick): { name: string; bytes: Uint8Array; isEndless: boolean } {
  const key = pick(keys);
  const text = { case: "text", value: pick(["", "value", "ü".repeat(3000)]) } as const;
  const put: MessageInitShape<typeof PutRequestSchema> = { key, value: text, ttlMs: pick([undefined, 5n]) };
  const get = create(GetRequestSchema, { key });
  const name = pick(["Get", "Get", "Put", "Delete", "Batch", "Exchange"] as const);
  const bytes = {
    Get: () => toBinary(GetRequestSchema, get),
    Put: () => toBinary(PutRequestSchema, create(PutRequestSchema, put)),
    Delete: () => toBinary(DeleteRequestSchema, create(DeleteRequestSchema, { key })),
    Batch() {
      const operations = [{ operation: { case: "put" as const, value: put } }];
      return toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations }));
    },
    Exchange() {
      const operations = [{ id: 1, call: { case: "get" as const, value: get } }];
      return toBinary(ExchangeRequestSchema, create(ExchangeRequestSchema, { operations }));
    },
  };
  return { name, bytes: bytes[name](), isEndless: key === "never" };
}

type Pick = <T>(list: readonly T[]) => T;
type Below = (count: number) => number;

interface Sent extends RawCall {
  readonly headers: Readonly<Record<string, string>>;
}

describe("the two ways to answer a unary call", () => {
  let listener: Listener;
  let session: http2.ClientHttp2Session;
  before(async () => {
    listener = await listen({ host: "127.0.0.1", port: 0, routes, messageBytesMax, log: () => {} });
    session = http2.connect(`http://127.0.0.1:${listener.port}`);
    session.on("error", () => {});
  });
  after(async () => {
    session.destroy();
    await listener.close();
  });

  /** The same request, but for a character without meaning with which only the general way is familiar. */
  function generally({ headers, chunks }: Sent): Sent {
    return { headers: { ...headers, "content-type": `${headers["content-type"]};` }, chunks };
  }

  it("give the same status, fields, trailers and bytes, whatever the request", { timeout }, async () => {
    const next = seededRandom(1);
    const below = (count: number) => Math.floor(next() * count);
    const pick = <T>(list: readonly T[]): T => {
      const found = list[below(list.length)];
      if (found === undefined && list.length === 0) throw new RangeError("nothing to pick from");
      return found as T;
    };
    const seen = new Map<string, number>();
    for (let round = 0; round < 60; round++) {
      const batch = Array.from({ length: 50 }, () => generated(pick, below));
      await Promise.all(
        batch.map(async (sent) => {
          const [fast, general] = await Promise.all([
            rawExchange(session, sent),
            rawExchange(session, generally(sent)),
          ]);
          const shown = JSON.stringify({ headers: sent.headers, bytes: sent.chunks.map((c) => c.length) });
          assert.deepEqual(fast, general, shown);
          const { head, trailers } = fast as {
            head: Record<string, unknown>;
            trailers: Record<string, unknown>;
          };
          const kind = `${head[":status"]} ${trailers["grpc-status"]}`;
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }),
      );
    }
    // The generator makes requests of every kind: not only such as are refused.
    for (const kind of [
      "200 0",
      "200 undefined",
      "200 3",
      "200 4",
      "200 5",
      "200 8",
      "200 13",
      "400 undefined",
    ]) {
      assert.ok((seen.get(kind) ?? 0) > 5, `${kind}: ${JSON.stringify([...seen])}`);
    }
    assert.ok(given.fast > 300 && given.general > 300, JSON.stringify(given));
  });
});

function generated(pick: Pick, below: Below): Sent {
  const { name, bytes, isEndless } = messages(pick);
  const type = pick(["application/grpc", "application/grpc+proto", "application/proto"]);
  const isGrpc = type !== "application/proto";
  // An error of a request, and the end of its time, race.
  const message = isEndless ? bytes : damaged(bytes, pick, below);
  const whole = isGrpc ? enveloped(message) : message;
  const body = isGrpc && !isEndless ? damagedEnvelope(whole, pick, below) : whole;
  const headers: Record<string, string> = {
    ":path": `/kvlab.v1.DataService/${name}`,
    "content-type": type,
    te: "trailers",
  };
  const add = (field: string, values: readonly (string | undefined)[]) => {
    const value = pick(values);
    if (value !== undefined) headers[field] = value;
  };
  const often = Array.from({ length: 12 }, () => undefined);
  if (isEndless) headers[isGrpc ? "grpc-timeout" : "connect-timeout-ms"] = isGrpc ? "40m" : "40";
  else if (isGrpc) add("grpc-timeout", [...often, "99999999H", "30S", "5", "-1S", "abc", ""]);
  else add("connect-timeout-ms", [...often, "9999999999", "30000", "-1", "1.5", "abc", ""]);
  add(isGrpc ? "grpc-encoding" : "content-encoding", [...often, "identity", "gzip", "br", "GZIP", "zstd"]);
  add(isGrpc ? "grpc-accept-encoding" : "accept-encoding", [
    ...often.slice(6),
    "identity",
    "gzip",
    "identity, deflate, gzip",
    "br",
    "zstd",
    "gzip;q=0",
    "*",
  ]);
  add("x-custom", [undefined, "a"]);
  add("user-agent", [undefined, "grpc-go/1.60"]);
  add("connect-protocol-version", [undefined, "1", "7"]);
  return { headers, chunks: cut(body, pick, below) };
}

/** Mostly as it is. */
function damaged(message: Uint8Array, pick: Pick, below: Below): Uint8Array {
  const how = pick(["", "", "", "", "", "", "cut", "flip", "unknown", "long", "text"]);
  const bytes = Buffer.from(message);
  if (how === "cut") return bytes.subarray(0, below(bytes.length + 1));
  if (how === "flip" && bytes.length > 0) bytes[below(bytes.length)] = below(256);
  if (how === "unknown") return Buffer.concat([bytes, Buffer.from([0xa0, 0x1f, 1])]);
  if (how === "long") return Buffer.concat([bytes, Buffer.alloc(messageBytesMax + pick([-40, 0, 1, 9000]))]);
  if (how === "text") return Buffer.concat([Buffer.from([0x0a, 2, 0xff, 0xfe]), bytes]);
  return bytes;
}

function enveloped(message: Uint8Array): Buffer {
  const envelope = Buffer.alloc(5);
  envelope.writeUInt32BE(message.length, 1);
  return Buffer.concat([envelope, message]);
}

function damagedEnvelope(given: Uint8Array, pick: Pick, below: Below): Uint8Array {
  const whole = Buffer.from(given);
  const { length } = given;
  const how = pick(["", "", "", "", "", "", "", "flags", "length", "twice", "rest", "cut", "none"]);
  if (how === "flags") whole[0] = pick([1, 2, 128]);
  if (how === "length") whole.writeUInt32BE(pick([0, 1, length - 4, messageBytesMax + 1, 0xffffffff]), 1);
  if (how === "twice") return Buffer.concat([whole, whole]);
  if (how === "rest") return Buffer.concat([whole, Buffer.from([0])]);
  if (how === "cut") return whole.subarray(0, below(whole.length));
  if (how === "none") return new Uint8Array(0);
  return whole;
}

function cut(body: Uint8Array, pick: Pick, below: Below): Uint8Array[] {
  const how = pick(["whole", "whole", "two", "bits"]);
  if (how === "whole" || body.length === 0) return body.length === 0 ? [] : [body];
  if (how === "two") {
    const at = below(body.length);
    return [body.subarray(0, at), body.subarray(at)];
  }
  const bits: Uint8Array[] = [];
  for (let at = 0; at < Math.min(body.length, 100); at += 3)
    bits.push(body.subarray(at, Math.min(at + 3, 100)));
  return [...bits, body.subarray(100)].filter((chunk) => chunk.length > 0);
}
